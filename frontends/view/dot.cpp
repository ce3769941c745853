#include "frontends/view/dot.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <set>
#include <string_view>

#include "ir/op_info.hpp"

namespace relaxon {
namespace {

struct Style {
  std::string_view what, fill, shape;
};

constexpr Style binding_style{"bound by the caller", "#eeeeee", "box"};
constexpr Style data_style{"data, step scalars", "#f7f7f7", "box"};
constexpr Style message_style{"message", "#cfe3f7", "box"};
constexpr Style advance_style{"advance", "#a9d3c9", "box"};
constexpr Style sum_style{"aggregate", "#d9efc8", "box"};
constexpr Style threshold_style{"threshold", "#ffe3b0", "hexagon"};
constexpr Style error_style{"error", "#f9cfa8", "hexagon"};
constexpr Style update_style{"update", "#f5c6c6", "box"};
constexpr Style probe_style{"probe", "#e6d3f2", "note"};
constexpr Style legend_styles[] = {binding_style,   data_style,  message_style, advance_style, sum_style,
                                   threshold_style, error_style, update_style,  probe_style};

const Style& style_of(const OutlineStep& s) {
  if (s.moves) return data_style;
  switch (s.op) {
    case OpKind::input:
    case OpKind::param: return binding_style;
    case OpKind::message:
    case OpKind::majority:
    case OpKind::affine:
    case OpKind::to_fix:
    case OpKind::to_f32: return message_style;
    case OpKind::advance: return advance_style;
    case OpKind::aggregate:
    case OpKind::add:
    case OpKind::subtract: return sum_style;
    case OpKind::threshold: return threshold_style;
    case OpKind::error:
    case OpKind::hits: return error_style;
    case OpKind::update:
    case OpKind::correlate:
    case OpKind::apply: return update_style;
    case OpKind::probe: return probe_style;
    default: return data_style;
  }
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out + '"';
}

/// The values that bodies of scans and loops read from outside of them.
class ReadInBodies {
 public:
  explicit ReadInBodies(const std::vector<OutlineStep>& steps) { walk(steps, {}); }
  const std::set<std::string>& values() const { return values_; }

 private:
  void walk(const std::vector<OutlineStep>& steps, std::set<std::string> inside) {
    for (const OutlineStep& s : steps) {
      for (const std::string& operand : s.operands) read(operand, inside);
      if (s.region) {
        const bool iterates = s.op != OpKind::fuse;
        std::set<std::string> body = iterates ? std::set<std::string>{} : inside;
        if (iterates) depth_ += 1;
        for (const OutlineStep::Carry& c : s.carries) body.insert(c.name);
        body.insert(s.index);
        walk(s.body, body);
        if (iterates) depth_ -= 1;
      }
      for (const std::string& result : s.results) inside.insert(result);
    }
  }
  void read(const std::string& value, const std::set<std::string>& inside) {
    if (depth_ > 0 && !inside.contains(value)) values_.insert(value);
  }

  int depth_ = 0;
  std::set<std::string> values_;
};

/// What a node says it is: "message 1-0", "reference: affine", "sign: aggregate + threshold".
std::string kind_of(const OutlineStep& s) {
  if (!s.fused.empty()) return fmt::format("{}: {}", s.kind, fmt::join(s.fused, " + "));
  const std::string edge = s.edge ? " " + to_string(*s.edge) : "";
  if (s.kind == "reference") return fmt::format("{}: {}{}", s.kind, info(s.op).name, edge);
  return s.kind + edge;
}

class Drawing {
 public:
  explicit Drawing(const Outline& o) : outline_(o), read_(ReadInBodies(o.steps).values()) {}

  std::string run() {
    line(0, fmt::format("digraph {} {{", quoted(outline_.name)));
    line(1, fmt::format("graph [rankdir=TB, compound=true, fontname=\"sans-serif\", fontsize=13, labelloc=t, "
                        "label={}]",
                        quoted(fmt::format("{}, {}", outline_.name, outline_.stage))));
    line(
        1,
        "node [fontname=\"sans-serif\", fontsize=10, style=filled, color=\"#777777\", margin=\"0.12,0.04\"]");
    line(1, "edge [fontname=\"sans-serif\", fontsize=9, color=\"#777777\", arrowsize=0.6]");
    if (!outline_.slots.empty()) {
      for (const Outline::Port& p : outline_.bindings) {
        node(1, p.value, fmt::format("{}\nbinding", p.value), binding_style, "", p.name);
      }
    }
    steps(outline_.steps, 1);
    for (const Outline::Port& p : outline_.results) {
      const std::string id = fmt::format("result {}", p.name);
      line(1, fmt::format("{} [label={}, shape=box, fillcolor=\"#dddddd\"]", quoted(id),
                          quoted(fmt::format("result\n{}", p.name))));
      edge(p.value, id);
    }
    legend();
    for (const std::string& e : edges_) line(1, e);
    line(0, "}");
    return std::move(out_);
  }

 private:
  void line(int depth, std::string_view text) {
    out_.append(static_cast<std::size_t>(2 * depth), ' ');
    out_ += text;
    out_ += '\n';
  }

  /// A node that from here on is where `value` comes from.
  void node(int depth, const std::string& value, const std::string& label, const Style& style,
            std::string_view more, const std::string& tooltip) {
    const std::string id = fmt::format("n{}", nodes_++);
    line(depth, fmt::format("{} [label={}, shape={}, fillcolor=\"{}\"{}, tooltip={}]", id, quoted(label),
                            style.shape, style.fill, more, quoted(tooltip)));
    source_[value] = id;
  }

  void edge(const std::string& value, const std::string& target, std::string_view more = "") {
    const auto from = source_.find(value);
    if (from == source_.end()) return;
    edges_.push_back(
        fmt::format("{} -> {} [tooltip={}{}]", from->second, quoted(target), quoted(value), more));
  }

  void steps(const std::vector<OutlineStep>& list, int depth) {
    for (const OutlineStep& s : list) s.region ? region(s, depth) : plain(s, depth);
  }

  /// What the text says of a step beside names and operands, line by line.
  static std::string details(const OutlineStep& s) {
    std::vector<std::string> lines;
    const auto add = [&](std::string_view what, std::string_view text) {
      if (!text.empty()) lines.push_back(fmt::format("{}{}", what, text));
    };
    add("", fmt::format("{}", fmt::join(s.types, ", ")));
    add("", s.attributes);
    add("covers ", s.covers);
    add("threads ", s.threads);
    add("whole from ", s.whole_from > 0 ? fmt::format("{}", s.whole_from) : "");
    add("", s.why);
    return fmt::format("{}", fmt::join(lines, "\n"));
  }

  void plain(const OutlineStep& s, int depth) {
    const std::string id = fmt::format("n{}", nodes_);
    for (const std::string& operand : s.operands) edge(operand, id);
    std::string label = s.results.empty() ? "" : fmt::format("{}\n", fmt::join(s.results, " "));
    label += kind_of(s);
    std::string more;
    bool hoisted = style_of(s).what != binding_style.what;
    hoisted = hoisted && std::ranges::any_of(s.results, [&](const auto& r) { return read_.contains(r); });
    if (hoisted) more += ", peripheries=2";
    if (!s.fused.empty()) more += ", penwidth=2.5, color=\"#333333\"";
    node(depth, s.results.empty() ? id : s.results[0], label, style_of(s), more, details(s));
    for (const std::string& result : s.results) source_[result] = id;
  }

  std::string title(const OutlineStep& s) const {
    if (s.op == OpKind::fuse) return "fused";
    const std::string count = s.operands.at(0);
    if (s.op == OpKind::loop) return fmt::format("{} batches", count);
    if (s.until.empty()) return fmt::format("{} iterations", count);
    return fmt::format("{} iterations, fewer once {} stays as it is", count, fmt::join(s.until, " "));
  }

  void region(const OutlineStep& s, int depth) {
    const bool fused = s.op == OpKind::fuse;
    line(depth, fmt::format("subgraph cluster_{} {{", clusters_++));
    line(depth + 1,
         fmt::format("graph [label={}, labelloc=t, fontsize=11, style={}, color=\"{}\", bgcolor=\"{}\", "
                     "penwidth={}, tooltip={}]",
                     quoted(title(s)), fused ? "\"bold\"" : "\"rounded\"", fused ? "#333333" : "#3b6ea5",
                     fused                  ? "#ffffff"
                     : s.op == OpKind::scan ? "#f2f7fc"
                                            : "#fcfcfc",
                     fused ? 2.5 : 1.2, quoted(details(s))));
    if (!s.index.empty()) node(depth + 1, s.index, s.index + "\nindex of the batch", data_style, "", "");
    std::vector<std::string> carried;
    for (const OutlineStep::Carry& c : s.carries) {
      const std::string id = fmt::format("n{}", nodes_);
      edge(c.start, id);
      node(depth + 1, c.name, c.name + "\ncarried", {"", "#ffffff", "ellipse"},
           ", style=\"filled,dashed\", color=\"#2a6fdb\"", "starts as " + c.start);
      carried.push_back(id);
    }
    steps(s.body, depth + 1);
    for (std::size_t i = 0; i < carried.size(); ++i) {
      edge(s.yielded.at(i), carried[i], ", style=dashed, color=\"#2a6fdb\", constraint=false");
    }
    line(depth, "}");
    for (std::size_t i = 0; i < s.results.size(); ++i) {
      const std::string yielded = source_[s.yielded.at(i)];
      source_[s.results[i]] = carried.empty() ? yielded : carried[i];
    }
  }

  void legend() {
    std::string rows;
    for (const Style& s : legend_styles)
      rows += fmt::format("<tr><td bgcolor=\"{}\">{}</td></tr>", s.fill, s.what);
    rows += "<tr><td>double border: computed once, read in every iteration</td></tr>";
    rows += "<tr><td>dashed: carried from iteration to iteration</td></tr>";
    rows += "<tr><td>bold: several ops in one go (fused)</td></tr>";
    line(1, fmt::format("legend [shape=plaintext, style=\"\", label=<<table border=\"0\" cellborder=\"1\" "
                        "cellspacing=\"0\">{}</table>>]",
                        rows));
  }

  const Outline& outline_;
  std::set<std::string> read_;
  std::map<std::string, std::string> source_;  // value -> the node it comes from
  std::vector<std::string> edges_;
  int nodes_ = 0, clusters_ = 0;
  std::string out_;
};

}  // namespace

std::string to_dot(const Outline& outline) { return Drawing(outline).run(); }

}  // namespace relaxon
