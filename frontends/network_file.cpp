#include "frontends/network_file.hpp"

#include <map>
#include <sstream>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "core/data/dataset.hpp"
#include "core/data/encoder.hpp"
#include "core/error.hpp"
#include "core/file.hpp"
#include "frontends/lint/lint.hpp"
#include "frontends/network_readers.hpp"
#include "frontends/toml_overrides.hpp"
#include "frontends/toml_reader.hpp"

namespace relaxon {
namespace {

constexpr std::uint64_t max_network_file_bytes = std::uint64_t{1} << 26;

constexpr std::string_view edge_list = "a list of tables [[edge]]";

TomlValue required_value(const TomlValue& table, std::string_view key, std::string_view expected) {
  const auto value = table.find(key);
  if (!value) refuse_missing(table, key, expected);
  return *value;
}

/// A network file in the making: the document and where it declares each edge.
class Declaration {
 public:
  Declaration(const toml::table& document, std::span<const std::string> overrides)
      : root_(document, ""), overrides_(overrides) {}

  NetworkFile read();

 private:
  void read_network(Network& network) const;
  void read_edges(LayerMap& map);
  void read_edge(const TomlValue& listed, LayerMap& map);
  OptimizerMap read_optimizer() const;
  TrainSettings read_train() const;
  LintSettings read_lint() const;
  ProbeSettings read_probes() const;
  void check_probes(const NetworkFile& file) const;

  void check(const NetworkFile& file) const;
  void check_sizes(const NetworkFile& file) const;
  /// Runs a check of core; its message gets the place of what it is about.
  template <class Check>
  void at_its_place(Check&& check) const;
  TomlValue place_of(std::string_view message) const;

  TomlValue root_;
  std::span<const std::string> overrides_;
  std::map<EdgeId, TomlValue> edges_;
};

NetworkFile Declaration::read() {
  constexpr std::string_view table = "a table";
  check_keys(root_, {"network", "edge", "data", "schedule", "optimizer", "train", "lint", "probe"});
  required_value(root_, "network", table);
  required_value(root_, "edge", edge_list);
  NetworkFile file;
  read_network(file.network);
  read_edges(file.network.map);
  file.data = TomlReader<DataOptions>::read(required_value(root_, "data", table));
  file.network.schedule = TomlReader<Schedule>::read(required_value(root_, "schedule", table));
  required_value(root_, "optimizer", table);
  file.network.optimizer = read_optimizer();
  required_value(root_, "train", table);
  file.train = read_train();
  file.lint = read_lint();
  file.probes = read_probes();
  file.network.input = input_values(file.data);
  file.network.label = label_values(file.data.label_mode, class_count(file.data));
  check(file);
  return file;
}

void Declaration::read_network(Network& network) const {
  std::vector<Shape> sizes;
  Seed seed;
  read_table(*root_.find("network"), required_key("sizes", sizes), required_key("seed", seed),
             optional_key("rng", network.rng), optional_key("keys", network.keys),
             optional_key("fixed_bits", network.fixed_bits));
  network.map = LayerMap(std::move(sizes));
  network.seed = static_cast<std::uint64_t>(seed.value);
}

void Declaration::read_edges(LayerMap& map) {
  const TomlValue edges = *root_.find("edge");
  const std::size_t count = edges.list(edge_list).size();
  for (std::size_t i = 0; i < count; ++i) read_edge(edges.element(i), map);
}

void Declaration::read_edge(const TomlValue& listed, LayerMap& map) {
  EdgeId id;
  listed.table();
  read_key(listed, required_key("receiver", id.receiver));
  read_key(listed, required_key("sender", id.sender));
  const TomlValue edge(listed.node(), "edge." + to_string(id));
  const auto [place, is_new] = edges_.try_emplace(id, edge);
  if (!is_new) {
    edge.refuse("each edge once", fmt::format("it again after line {}", place->second.line()));
  }
  std::optional<int> key;
  Module module;
  read_key(edge, required_key("module", module));
  read_key(edge, optional_key("key", key));
  const auto read_arguments = [&]<class M>(M& m) {
    const auto read_each = [&](const auto&... argument) {
      check_keys(edge, {"receiver", "sender", "module", argument.name..., "key"});
      (read_key(edge, TomlField{argument.name, m.*argument.member, argument.required}), ...);
    };
    std::apply(read_each, ModuleInfo<M>::arguments);
  };
  std::visit(read_arguments, module);
  map.add(id.receiver, id.sender, std::move(module), key);
}

OptimizerMap Declaration::read_optimizer() const {
  const TomlValue table = *root_.find("optimizer");
  table.table();
  OptimizerMap map = TomlReader<Optimizer>::read(table, {"edge"});
  const auto edges = table.find("edge");
  if (!edges) return map;
  for (const auto& [key, node] : edges->table("tables such as [optimizer.edge.\"1-0\"]")) {
    const TomlValue edge(node, edges->path_of(key.str()));
    const auto id = TomlReader<EdgeId>::parse(key.str());
    if (!id) edge.refuse(TomlReader<EdgeId>::expected(), "another key");
    edge.table();
    map.edges.emplace(*id, TomlReader<Optimizer>::read(edge));
  }
  return map;
}

TrainSettings Declaration::read_train() const {
  const TomlValue table = *root_.find("train");
  check_keys(table, {"epochs", "train_eval"});
  Count epochs;
  read_key(table, required_key("epochs", epochs));
  TrainSettings train{.epochs = epochs.value, .train_eval = {}};
  const auto eval = table.find("train_eval");
  if (!eval) return train;
  const auto images = eval->node().value_exact<std::int64_t>();
  if (images && *images >= 1) {
    train.train_eval = images;
  } else if (eval->node().value_exact<std::string_view>() == "all") {
    train.train_eval = TrainSettings::all_images;
  } else {
    eval->refuse("an integer >= 1 or \"all\"");
  }
  return train;
}

LintSettings Declaration::read_lint() const {
  LintSettings lint;
  const auto table = root_.find("lint");
  if (!table) return lint;
  check_keys(*table, {"allow"});
  constexpr std::string_view findings = "a list of findings such as \"never-trains\" or \"never-trains 1-0\"";
  const auto allow = table->find("allow");
  if (!allow) return lint;
  lint.allow = read_list<std::string>(*allow, findings);
  for (std::size_t i = 0; i < lint.allow.size(); ++i) {
    if (can_be_allowed(lint.allow[i])) continue;
    std::vector<std::string_view> ids;
    for (const LintRule& rule : lint_rules()) ids.push_back(rule.id);
    allow->element(i).refuse(
        fmt::format("the id of a finding, alone or with its edge ({})", fmt::join(ids, ", ")));
  }
  return lint;
}

ProbeSettings Declaration::read_probes() const {
  ProbeSettings settings;
  const auto list = root_.find("probe");
  if (!list) return settings;
  const std::size_t count = list->list("a list of tables [[probe]]").size();
  for (std::size_t i = 0; i < count; ++i) {
    const TomlValue table = list->element(i);
    std::string value, what = "train";
    std::filesystem::path file = default_probe_file;
    std::optional<Bounded<0, 1'000'000>> phase;
    bool every = false;
    read_table(table, required_key("value", value), optional_key("phase", phase),
               optional_key("every", every), optional_key("what", what), optional_key("file", file));
    if (what != "train" && what != "evaluate") table.find("what")->refuse("\"train\" or \"evaluate\"");
    std::string text = phase ? fmt::format("{}@{}", value, phase->value) : value;
    if (every) text += ":every";
    try {
      (what == "train" ? settings.training : settings.evaluation).push_back({parse_probe(text), file});
    } catch (const Error& error) {
      fail("{}: {}", table.location(), error.what());
    }
  }
  return settings;
}

void Declaration::check_probes(const NetworkFile& file) const {
  const auto list = root_.find("probe");
  if (!list) return;
  try {
    for (const bool evaluation : {false, true}) {
      const std::vector<ProbeFile>& files = evaluation ? file.probes.evaluation : file.probes.training;
      for (const ProbeFile& f : files) validate(f.probe, file.network, evaluation);
      validate(files);
    }
  } catch (const Error& error) {
    fail("{}: {}", list->location(), error.what());
  }
}

void Declaration::check(const NetworkFile& file) const {
  at_its_place([&] { validate(file.data); });
  at_its_place([&] { file.network.validate(); });
  check_sizes(file);
  check_probes(file);
}

/// What the data will give must be what the network takes.
void Declaration::check_sizes(const NetworkFile& file) const {
  const TomlValue sizes = *root_.find("network")->find("sizes");
  const LayerMap& map = file.network.map;
  const auto input = input_shape(file.data);
  if (input && map.sizes().front() != *input) {
    sizes.refuse(fmt::format("an input of size {}, as [data] gives", to_string(*input)),
                 to_string(map.sizes().front()));
  }
  const Shape output{class_count(file.data)};
  if (map.sizes().back() != output) {
    sizes.refuse(fmt::format("an output of size {}, one unit a class", to_string(output)),
                 to_string(map.sizes().back()));
  }
}

template <class Check>
void Declaration::at_its_place(Check&& check) const {
  try {
    check();
  } catch (const Error& error) {
    // The line in the file is not all there is to look at.
    const auto changes =
        overrides_.empty() ? "" : fmt::format(" (with --set {})", fmt::join(overrides_, " --set "));
    fail("{}: {}{}", place_of(error.what()).location(), error.what(), changes);
  }
}

/// The table or value that a message of core starts with: "edge 1-0: ...", "optimizer of edge 1-0: ...",
/// "schedule: ...", "data.batch_size: ...", "sizes: ...". What starts otherwise is about the network.
TomlValue Declaration::place_of(std::string_view message) const {
  const std::string_view subject = message.substr(0, message.find(':'));
  constexpr std::string_view optimizer_of = "optimizer of edge ";
  if (subject.starts_with(optimizer_of)) {
    const auto edges = root_.find("optimizer")->find("edge");
    if (const auto found = edges->find(subject.substr(optimizer_of.size()))) return *found;
  }
  for (const auto& [id, place] : edges_) {
    if (subject == "edge " + to_string(id)) return place;
  }
  const std::string_view path = subject.substr(0, subject.find('['));
  const std::size_t dot = path.find('.');
  const TomlValue network = *root_.find("network");
  const TomlValue table = root_.find(path.substr(0, dot)).value_or(network);
  const std::string_view key = dot == std::string_view::npos ? path : path.substr(dot + 1);
  return table.find(key).value_or(table);
}

}  // namespace

NetworkFile load_network_file(const std::filesystem::path& path, std::span<const std::string> overrides) {
  return parse_network_file(read_file(path, max_network_file_bytes), path.string(), overrides);
}

NetworkFile parse_network_file(std::string_view text, const std::string& name,
                               std::span<const std::string> overrides) {
  toml::table document = parse_toml(text, name);
  for (const std::string& assignment : overrides) apply_override(document, assignment);
  NetworkFile file = Declaration(document, overrides).read();
  if (overrides.empty()) {
    file.text = text;
  } else {
    std::ostringstream out;
    out << document << '\n';
    file.text = std::move(out).str();
  }
  return file;
}

}  // namespace relaxon
