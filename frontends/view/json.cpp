#include "frontends/view/json.hpp"

#include "ir/op_info.hpp"

namespace relaxon {
namespace {

using Json = nlohmann::ordered_json;

template <class List>
void add_list(Json& object, const char* key, const List& list) {
  if (!list.empty()) object[key] = list;
}

Json to_json(const std::vector<Outline::Port>& ports) {
  Json list = Json::array();
  for (const Outline::Port& p : ports) list.push_back({{"name", p.name}, {"value", p.value}});
  return list;
}

Json to_json(const OutlineStep& s, bool planned);

Json to_json(const std::vector<OutlineStep>& steps, bool planned) {
  Json list = Json::array();
  for (const OutlineStep& s : steps) list.push_back(to_json(s, planned));
  return list;
}

Json to_json(const OutlineStep& s, bool planned) {
  Json step{{"kind", s.kind}};
  if (planned && !s.moves) step["op"] = info(s.op).name;
  add_list(step, "results", s.results);
  add_list(step, "types", s.types);
  add_list(step, "operands", s.operands);
  add_list(step, "attributes", s.attributes);
  if (s.edge) step["edge"] = to_string(*s.edge);
  add_list(step, "fused", s.fused);
  add_list(step, "threads", s.threads);
  if (s.whole_from > 0) step["whole_from"] = s.whole_from;
  add_list(step, "covers", s.covers);
  add_list(step, "why", s.why);
  if (!s.region) return step;
  add_list(step, "index", s.index);
  Json carries = Json::array();
  for (const OutlineStep::Carry& c : s.carries) carries.push_back({{"name", c.name}, {"start", c.start}});
  step["carries"] = std::move(carries);
  add_list(step, "until_unchanged", s.until);
  step["body"] = to_json(s.body, planned);
  step["yield"] = s.yielded;
  return step;
}

}  // namespace

Json to_json(const Outline& o) {
  Json json{{"stage", o.stage}, {"name", o.name}, {"fixed_bits", o.fixed_bits}};
  Json patterns = Json::array();
  for (const PatternDeclaration& p : o.patterns) {
    patterns.push_back(
        {{"name", p.name}, {"shape", {p.senders, p.receivers}}, {"fixed_diagonal", p.fixed_diagonal}});
  }
  json["patterns"] = std::move(patterns);
  const bool planned = !o.slots.empty();
  for (const Outline::SlotLine& s : o.slots) {
    json["slots"].push_back({{"name", s.name},
                             {"value", s.value},
                             {"type", s.type},
                             {"storage", s.storage},
                             {"live", {s.first, s.last}}});
  }
  json["bindings"] = to_json(o.bindings);
  json["steps"] = to_json(o.steps, planned);
  json["results"] = to_json(o.results);
  return json;
}

}  // namespace relaxon
