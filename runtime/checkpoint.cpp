#include "runtime/checkpoint.hpp"

#include <xxhash.h>

#include <algorithm>
#include <concepts>
#include <limits>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "core/error.hpp"
#include "core/safetensors.hpp"

namespace relaxon {
namespace {

using Json = nlohmann::json;

constexpr const char* format_key = "format";
constexpr const char* version_key = "format_version";
constexpr const char* network_key = "network";
constexpr const char* training_key = "training";
constexpr const char* checksum_key = "checksum";
constexpr std::string_view format_name = "relaxon checkpoint";
constexpr std::string_view format_version = "1";

std::string weight_name(EdgeId edge) { return to_string(edge) + ".weight"; }
std::string offsets_name(EdgeId edge) { return to_string(edge) + ".offsets"; }
std::string receivers_name(EdgeId edge) { return to_string(edge) + ".receivers"; }
std::string moment_name(EdgeId edge, std::size_t index) {
  return fmt::format("{}.moment.{}", to_string(edge), index);
}

/// XXH64 over strings and numbers, so that no two lists of them read as the same bytes.
class ContentHash {
 public:
  ContentHash() : state_(XXH64_createState()) {
    if (!state_) throw std::bad_alloc();
    XXH64_reset(state_.get(), 0);
  }

  void add(std::uint64_t number) { XXH64_update(state_.get(), &number, sizeof number); }
  void add(std::string_view bytes) {
    add(std::uint64_t{bytes.size()});
    XXH64_update(state_.get(), bytes.data(), bytes.size());
  }
  std::string digest() const { return fmt::format("{:016x}", XXH64_digest(state_.get())); }

 private:
  struct Free {
    void operator()(XXH64_state_t* state) const { XXH64_freeState(state); }
  };
  std::unique_ptr<XXH64_state_t, Free> state_;
};

/// Over everything but the checksum itself.
std::string checksum_of(const Safetensors& contents) {
  ContentHash hash;
  for (const auto& [key, value] : contents.metadata) {
    if (key == checksum_key) continue;
    hash.add(key);
    hash.add(value);
  }
  for (const auto& [name, tensor] : contents.tensors) {
    hash.add(name);
    hash.add(name_of(tensor.dtype()));
    hash.add(to_string(tensor.shape()));
    hash.add(std::string_view(reinterpret_cast<const char*>(tensor.raw()), tensor.bytes()));
  }
  return hash.digest();
}

Json to_json(Key key) { return {key.hi, key.lo}; }

Json to_json(const EpochRecord& record) {
  Json json = {{"epoch", record.epoch},
               {"steps", record.steps},
               {"train_accuracy", record.train_accuracy},
               {"test_accuracy", record.test_accuracy},
               {"seconds", record.seconds},
               {"eval_seconds", record.eval_seconds},
               {"images_per_second", record.images_per_second},
               {"train_step_us", record.train_step_us}};
  if (record.validation_accuracy) json["validation_accuracy"] = *record.validation_accuracy;
  return json;
}

Json to_json(EdgeId edge, const EdgeState& state) {
  Json json = {{"receiver", edge.receiver},
               {"sender", edge.sender},
               {"moments", state.moments.size()},
               {"clock", {{"t", state.clock.t}, {"p1", state.clock.p1}, {"p2", state.clock.p2}}}};
  if (const Pattern* pattern = state.weight.pattern.get()) {
    json["sparse"] = {{"senders", pattern->senders},
                      {"receivers", pattern->receivers},
                      {"fixed_diagonal", pattern->fixed_diagonal}};
  }
  return json;
}

Json to_json(const std::map<EdgeId, EdgeState>& edges, const TrainingRecord& training) {
  Json json = {{"data",
                {{"images", training.data.images},
                 {"batch_size", training.data.batch_size},
                 {"shuffle", to_json(training.data.shuffle)}}},
               {"position",
                {{"epochs", training.position.epochs},
                 {"steps", training.position.steps},
                 {"seconds", training.position.seconds},
                 {"shuffle", to_json(training.position.shuffle)}}},
               {"history", Json::array()},
               {"edges", Json::array()}};
  for (const EpochRecord& record : training.history) json["history"].push_back(to_json(record));
  for (const auto& [edge, state] : edges) json["edges"].push_back(to_json(edge, state));
  return json;
}

void add_tensors(EdgeId edge, const EdgeState& state, std::map<std::string, Tensor>& tensors) {
  tensors.emplace(weight_name(edge), state.weight.values);
  if (const Pattern* pattern = state.weight.pattern.get()) {
    const auto list = [](const std::vector<std::int32_t>& values) {
      return Tensor::of({static_cast<std::int64_t>(values.size())}, values);
    };
    tensors.emplace(offsets_name(edge), list(pattern->offsets));
    tensors.emplace(receivers_name(edge), list(pattern->receiver));
  }
  for (std::size_t i = 0; i < state.moments.size(); ++i)
    tensors.emplace(moment_name(edge, i), state.moments[i]);
}

/// Reads what save_checkpoint wrote out of a file whose checksum is right. What a writer other than
/// save_checkpoint got wrong is an error all the same.
class Reader {
 public:
  Reader(std::string file, Safetensors contents) : file_(std::move(file)), contents_(std::move(contents)) {}

  Checkpoint read() {
    const Json json = Json::parse(metadata(training_key), nullptr, false);
    Checkpoint checkpoint;
    checkpoint.training = training(json);
    for (const Json& edge : list(json, "edges")) {
      const EdgeId id{.receiver = number<int>(edge, "receiver"), .sender = number<int>(edge, "sender")};
      checkpoint.edges.emplace(id, edge_state(edge, id));
    }
    return checkpoint;
  }

 private:
  [[noreturn]] void malformed(std::string_view what) const {
    fail("{}: metadata {}: {} is missing or malformed", file_, training_key, what);
  }

  const std::string& metadata(const char* key) const {
    const auto found = contents_.metadata.find(key);
    if (found == contents_.metadata.end()) fail("{}: metadata {} is missing", file_, key);
    return found->second;
  }

  const Json& member(const Json& json, const char* name) const {
    const auto found = json.is_object() ? json.find(name) : json.end();
    if (!json.is_object() || found == json.end()) malformed(name);
    return *found;
  }

  const Json& list(const Json& json, const char* name) const {
    const Json& value = member(json, name);
    if (!value.is_array()) malformed(name);
    return value;
  }

  /// A number from 0 to what T can hold.
  template <std::integral T>
  T number(const Json& json, const char* name) const {
    return bounded<T>(member(json, name), name);
  }
  template <std::integral T>
  T bounded(const Json& value, const char* name) const {
    constexpr auto largest = static_cast<std::uint64_t>(std::numeric_limits<T>::max());
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > largest) malformed(name);
    return static_cast<T>(value.get<std::uint64_t>());
  }
  /// A number that isn't negative; JSON has no other than finite ones.
  double real(const Json& json, const char* name) const {
    const Json& value = member(json, name);
    if (!value.is_number() || !(value.get<double>() >= 0)) malformed(name);
    return value.get<double>();
  }

  Key key(const Json& json, const char* name) const {
    const Json& words = list(json, name);
    if (words.size() != 2) malformed(name);
    return {.hi = bounded<std::uint32_t>(words[0], name), .lo = bounded<std::uint32_t>(words[1], name)};
  }

  EpochRecord epoch(const Json& json) const {
    EpochRecord record{.epoch = number<std::int64_t>(json, "epoch"),
                       .steps = number<std::int64_t>(json, "steps"),
                       .train_accuracy = real(json, "train_accuracy"),
                       .test_accuracy = real(json, "test_accuracy"),
                       .validation_accuracy = {},
                       .seconds = real(json, "seconds"),
                       .eval_seconds = real(json, "eval_seconds"),
                       .images_per_second = real(json, "images_per_second"),
                       .train_step_us = real(json, "train_step_us")};
    if (json.contains("validation_accuracy")) record.validation_accuracy = real(json, "validation_accuracy");
    return record;
  }

  TrainingRecord training(const Json& json) const {
    const Json& data = member(json, "data");
    const Json& position = member(json, "position");
    TrainingRecord training{.data = {.images = number<std::int64_t>(data, "images"),
                                     .batch_size = number<std::int64_t>(data, "batch_size"),
                                     .shuffle = key(data, "shuffle")},
                            .position = {.epochs = number<std::int64_t>(position, "epochs"),
                                         .steps = number<std::int64_t>(position, "steps"),
                                         .seconds = real(position, "seconds"),
                                         .shuffle = key(position, "shuffle")},
                            .history = {},
                            .network = metadata(network_key)};
    if (training.data.batch_size < 1) malformed("batch_size");
    if (training.position.steps > training.data.batches()) malformed("steps");
    for (const Json& record : list(json, "history")) training.history.push_back(epoch(record));
    if (static_cast<std::int64_t>(training.history.size()) != training.position.epochs) malformed("history");
    return training;
  }

  Tensor take(const std::string& name, DType dtype) {
    auto node = contents_.tensors.extract(name);
    if (node.empty()) fail("{}: tensor \"{}\" is missing", file_, name);
    if (node.mapped().dtype() != dtype) {
      fail("{}: tensor \"{}\": expected dtype {}, found {}", file_, name, name_of(dtype),
           name_of(node.mapped().dtype()));
    }
    return std::move(node.mapped());
  }

  EdgeState edge_state(const Json& json, EdgeId edge) {
    const Json& clock = member(json, "clock");
    EdgeState state;
    state.clock = {.t = number<std::int64_t>(clock, "t"), .p1 = real(clock, "p1"), .p2 = real(clock, "p2")};
    state.weight.values = take(weight_name(edge), DType::f32);
    if (json.contains("sparse")) state.weight.pattern = pattern(json["sparse"], edge);
    check_weight_shape(edge, state.weight);
    const auto moments = number<std::size_t>(json, "moments");
    for (std::size_t i = 0; i < moments; ++i) {
      state.moments.push_back(take(moment_name(edge, i), DType::f32));
      check_shape(moment_name(edge, i), state.moments.back().shape(), state.weight.values.shape());
    }
    return state;
  }

  void check_shape(const std::string& name, const Shape& found, const Shape& expected) const {
    if (found == expected) return;
    fail("{}: tensor \"{}\": expected shape {}, found {}", file_, name, to_string(expected),
         to_string(found));
  }

  void check_weight_shape(EdgeId edge, const Weight& weight) const {
    const Shape& shape = weight.values.shape();
    if (weight.pattern) return check_shape(weight_name(edge), shape, {weight.pattern->entries()});
    if (shape.size() != 2) {
      fail("{}: tensor \"{}\": expected 2 axes, found shape {}", file_, weight_name(edge), to_string(shape));
    }
  }

  PatternPtr pattern(const Json& json, EdgeId edge) {
    const Tensor offsets = take(offsets_name(edge), DType::i32);
    const Tensor receivers = take(receivers_name(edge), DType::i32);
    const auto copy = [](const Tensor& tensor) {
      const auto values = tensor.data<std::int32_t>();
      return std::vector<std::int32_t>(values.begin(), values.end());
    };
    const Json& diagonal = member(json, "fixed_diagonal");
    if (!diagonal.is_boolean()) malformed("fixed_diagonal");
    auto pattern = std::make_shared<Pattern>(Pattern{.senders = number<std::int64_t>(json, "senders"),
                                                     .receivers = number<std::int64_t>(json, "receivers"),
                                                     .fixed_diagonal = diagonal.get<bool>(),
                                                     .offsets = copy(offsets),
                                                     .receiver = copy(receivers)});
    check_connections(edge, *pattern);
    return pattern;
  }

  /// The offsets rise from 0 to the number of entries, the receivers within each sender.
  void check_connections(EdgeId edge, const Pattern& pattern) const {
    const auto& offsets = pattern.offsets;
    bool good = pattern.senders < std::numeric_limits<std::int32_t>::max() &&
                static_cast<std::int64_t>(offsets.size()) == pattern.senders + 1 && offsets.front() == 0 &&
                offsets.back() == pattern.entries() && std::is_sorted(offsets.begin(), offsets.end());
    for (std::int64_t sender = 0; good && sender < pattern.senders; ++sender) {
      std::int64_t previous = -1;
      for (const std::int32_t receiver : pattern.receivers_of(sender)) {
        good = good && receiver > previous && receiver < pattern.receivers;
        previous = receiver;
      }
    }
    if (!good) fail("{}: edge {}: the connections are malformed", file_, to_string(edge));
  }

  std::string file_;
  Safetensors contents_;
};

/// What an edge's weight is, for comparisons: "a sparse recurrent weight of shape (300, 300)".
std::string describe(const Weight& weight) {
  const char* kind = "a dense weight";
  if (weight.pattern) kind = weight.pattern->fixed_diagonal ? "a sparse recurrent weight" : "a sparse weight";
  return fmt::format("{} of shape {}", kind, to_string(Shape{weight.senders(), weight.receivers()}));
}

/// Compares a checkpoint's edges with the network's, in map order.
void check_fits(const Session& session, const std::map<EdgeId, EdgeState>& given, const std::string& file) {
  for (const auto& [edge, state] : given) {
    if (!session.edges().contains(edge)) {
      fail("{}: edge {}: the checkpoint has a weight, the network has none", file, to_string(edge));
    }
  }
  for (const auto& [edge, state] : session.edges()) {
    const auto found = given.find(edge);
    if (found == given.end()) {
      fail("{}: edge {}: the network needs a weight, the checkpoint has none", file, to_string(edge));
    }
    const std::string needed_weight = describe(state.weight);
    const std::string found_weight = describe(found->second.weight);
    if (needed_weight != found_weight) {
      fail("{}: edge {}: the network needs {}, the checkpoint has {}", file, to_string(edge), needed_weight,
           found_weight);
    }
    if (state.moments.size() != found->second.moments.size()) {
      fail("{}: edge {}: the network's optimizer keeps {} moments, the checkpoint has {}", file,
           to_string(edge), state.moments.size(), found->second.moments.size());
    }
  }
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const std::map<EdgeId, EdgeState>& edges,
                     const TrainingRecord& training) {
  Safetensors contents;
  for (const auto& [edge, state] : edges) add_tensors(edge, state, contents.tensors);
  contents.metadata = {{format_key, std::string(format_name)},
                       {version_key, std::string(format_version)},
                       {network_key, training.network},
                       {training_key, to_json(edges, training).dump()}};
  contents.metadata.emplace(checksum_key, checksum_of(contents));
  save_safetensors(path, contents);
}

Checkpoint load_checkpoint(const std::filesystem::path& path) {
  const std::string file = path.string();
  Safetensors contents = load_safetensors(path);
  const auto metadata = [&](const char* key) {
    const auto found = contents.metadata.find(key);
    return found == contents.metadata.end() ? std::string() : found->second;
  };
  if (metadata(format_key) != format_name) fail("{}: not a checkpoint of relaxon", file);
  if (metadata(version_key) != format_version) {
    fail("{}: expected checkpoint format version {}, found {}", file, format_version,
         Json(metadata(version_key)).dump());
  }
  if (metadata(checksum_key) != checksum_of(contents)) {
    fail("{}: the checkpoint is corrupt: its checksum doesn't match its contents", file);
  }
  return Reader(file, std::move(contents)).read();
}

void restore(Session& session, Checkpoint checkpoint, const std::filesystem::path& path) {
  const std::string file = path.string();
  check_fits(session, checkpoint.edges, file);
  try {
    session.restore(std::move(checkpoint.edges));
  } catch (const Error& error) {
    fail("{}: {}", file, error.what());
  }
}

}  // namespace relaxon
