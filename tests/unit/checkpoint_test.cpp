#include "runtime/checkpoint.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <array>
#include <bit>
#include <catch2/catch.hpp>
#include <cstring>
#include <functional>
#include <limits>
#include <optional>

#include "core/file.hpp"
#include "core/rng.hpp"
#include "core/safetensors.hpp"
#include "tests/support/files.hpp"

namespace relaxon {
namespace {

using testing::error_of;
using testing::TemporaryFolder;
using testing::write_bytes;

using Edges = std::map<EdgeId, EdgeState>;

Tensor draw(std::uint64_t seed, const Shape& shape) {
  return Tensor::of(shape, normal(key_of(seed), count(shape), RngLayout::partitionable));
}

EdgeState dense_edge(std::uint64_t seed, std::size_t moments) {
  EdgeState state;
  state.weight.values = draw(seed, {4, 3});
  for (std::size_t i = 0; i < moments; ++i) state.moments.push_back(draw(seed + 100 + i, {4, 3}));
  return state;
}

EdgeState sparse_edge(std::uint64_t seed) {
  EdgeState state;
  state.weight.values = draw(seed, {4});
  state.weight.pattern = std::make_shared<Pattern>(Pattern{.senders = 3,
                                                           .receivers = 3,
                                                           .fixed_diagonal = true,
                                                           .offsets = {0, 2, 3, 4},
                                                           .receiver = {0, 2, 1, 2}});
  state.moments.push_back(draw(seed + 100, {4}));
  state.clock = OptimizerClock::at(Optimizer::sgd(1, 0.9), 17);
  return state;
}

Edges example_edges() {
  Edges edges{{{1, 0}, dense_edge(1, 2)}, {{1, 1}, sparse_edge(2)}, {{2, 1}, dense_edge(3, 0)}};
  edges.at({1, 0}).clock = OptimizerClock::at(Optimizer::adam(0.001), 1234567);
  return edges;
}

TrainingRecord example_record() {
  const EpochRecord first{.epoch = 1,
                          .steps = 7,
                          .train_accuracy = 1.0 / 3,
                          .test_accuracy = 0.1,
                          .seconds = 0.1 + 0.2,
                          .eval_seconds = 1e-9,
                          .images_per_second = 123.456,
                          .train_step_us = 7};
  EpochRecord second = first;
  second.epoch = 2;
  second.validation_accuracy = 2.0 / 3;
  return {.data = {.images = 20, .batch_size = 3, .shuffle = {1, 0xffffffff}},
          .position = {.epochs = 2, .steps = 5, .seconds = 0.7, .shuffle = {0xdeadbeef, 3}},
          .history = {first, second},
          .network = "[network]\nsizes = [4, 3]  # \"quoted\" \xc3\xa4\n"};
}

bool same_weight(const Weight& a, const Weight& b) {
  if (a.is_sparse() != b.is_sparse() || !(a.values == b.values)) return false;
  return !a.is_sparse() || *a.pattern == *b.pattern;
}

void check_same(const Edges& found, const Edges& expected) {
  REQUIRE(found.size() == expected.size());
  for (const auto& [edge, state] : expected) {
    INFO("edge " << to_string(edge));
    REQUIRE(found.contains(edge));
    const EdgeState& other = found.at(edge);
    CHECK(same_weight(other.weight, state.weight));
    CHECK(other.moments == state.moments);
    CHECK(other.clock.t == state.clock.t);
    CHECK(std::bit_cast<std::uint64_t>(other.clock.p1) == std::bit_cast<std::uint64_t>(state.clock.p1));
    CHECK(std::bit_cast<std::uint64_t>(other.clock.p2) == std::bit_cast<std::uint64_t>(state.clock.p2));
  }
}

/// The checksum as the header describes it.
std::string seal(const Safetensors& contents) {
  std::string bytes;
  const auto add = [&](std::string_view text) {
    const std::uint64_t length = text.size();
    bytes.append(reinterpret_cast<const char*>(&length), sizeof length).append(text);
  };
  for (const auto& [key, value] : contents.metadata) {
    if (key == "checksum") continue;
    add(key);
    add(value);
  }
  for (const auto& [name, tensor] : contents.tensors) {
    add(name);
    add(name_of(tensor.dtype()));
    add(to_string(tensor.shape()));
    add({reinterpret_cast<const char*>(tensor.raw()), tensor.bytes()});
  }
  return fmt::format("{:016x}", XXH64(bytes.data(), bytes.size(), 0));
}

/// A folder with the example's checkpoint.
class ExampleFile {
 public:
  ExampleFile() { save_checkpoint(path, example_edges(), example_record()); }

  std::string load_error() const {
    return error_of([&] { load_checkpoint(path); });
  }
  /// The error after a change that comes with the right checksum.
  std::string error_after(const std::function<void(Safetensors&)>& change) const {
    Safetensors contents = load_safetensors(path);
    change(contents);
    contents.metadata["checksum"] = seal(contents);
    save_safetensors(path, contents);
    return load_error();
  }
  /// The error after `from` was replaced in the training metadata.
  std::string error_after(const std::string& from, const std::string& to) const {
    return error_after([&](Safetensors& contents) {
      std::string& text = contents.metadata.at("training");
      const auto at = text.find(from);
      REQUIRE(at != std::string::npos);
      text.replace(at, from.size(), to);
    });
  }

  TemporaryFolder folder;
  std::string path = folder / "checkpoint.safetensors";
};

TEST_CASE("a checkpoint comes back to the last bit", "[checkpoint]") {
  const ExampleFile file;
  const Checkpoint checkpoint = load_checkpoint(file.path);
  check_same(checkpoint.edges, example_edges());
  CHECK(checkpoint.training == example_record());
}

TEST_CASE("optimizer clocks come back to the last bit after any number of steps", "[checkpoint]") {
  const TemporaryFolder folder;
  const Optimizer optimizer = Optimizer::adam(0.001, 0.9, 0.999);
  Edges edges;
  OptimizerClock clock;
  for (int row = 1; row <= 64; ++row) {  // b1^t becomes subnormal on the way
    for (int step = 0; step < 128; ++step) clock.advance(optimizer);
    edges[{row, 0}] = dense_edge(1, 0);
    edges[{row, 0}].clock = clock;
  }
  CHECK(clock.p1 < std::numeric_limits<double>::min());
  save_checkpoint(folder / "c", edges, {});
  check_same(load_checkpoint(folder / "c").edges, edges);
}

TEST_CASE("a checkpoint's checksum is the documented one", "[checkpoint]") {
  const ExampleFile file;
  const Safetensors contents = load_safetensors(file.path);
  CHECK(contents.metadata.at("checksum") == seal(contents));
}

TEST_CASE("a change of any byte of a checkpoint is noticed", "[checkpoint]") {
  const ExampleFile file;
  const std::string bytes = read_file(file.path);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (const int flip : {0x01, 0x80}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      write_bytes(file.path, changed);
      const std::string error = file.load_error();
      INFO("byte " << at << ": " << error);
      REQUIRE(error.starts_with(file.path + ": "));
      REQUIRE(error.find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("a checkpoint cut anywhere is noticed", "[checkpoint]") {
  const ExampleFile file;
  const std::string bytes = read_file(file.path);
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    write_bytes(file.path, std::string_view(bytes).substr(0, length));
    const std::string error = file.load_error();
    INFO(length << " bytes: " << error);
    REQUIRE(error.starts_with(file.path + ": "));
    REQUIRE(error.find('\n') == std::string::npos);
  }
}

TEST_CASE("files that aren't checkpoints are refused", "[checkpoint]") {
  const TemporaryFolder folder;
  const std::string path = folder / "c";
  const auto error = [&] { return error_of([&] { load_checkpoint(path); }); };
  CHECK(error() == path + ": no such file");
  write_bytes(path, "hello");
  CHECK(error() == path + ": expected a safetensors file, found 5 bytes");
  save_safetensors(path, {.tensors = {{"a", draw(1, {2})}}, .metadata = {}});
  CHECK(error() == path + ": not a checkpoint of relaxon");
}

TEST_CASE("damaged checkpoints are told apart", "[checkpoint]") {
  const ExampleFile file;
  const std::string bytes = read_file(file.path);
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);

  write_bytes(file.path, std::string_view(bytes).substr(0, 100));
  CHECK(file.load_error() == fmt::format("{}: expected a header of {} bytes, found 92", file.path, header));
  write_bytes(file.path, std::string_view(bytes).substr(0, 8 + header + 10));
  CHECK(file.load_error() == file.path +
                                 ": tensor \"1-0.moment.0\": expected data_offsets within 10 bytes of data, "
                                 "found [0, 48]");
  std::string changed = bytes;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  write_bytes(file.path, changed);
  CHECK(file.load_error() ==
        file.path + ": the checkpoint is corrupt: its checksum doesn't match its contents");
}

TEST_CASE("checkpoints of another format version are refused", "[checkpoint]") {
  const ExampleFile file;
  CHECK(file.error_after([](Safetensors& contents) { contents.metadata["format_version"] = "2"; }) ==
        file.path + ": expected checkpoint format version 1, found \"2\"");
}

TEST_CASE("malformed contents with the right checksum are refused", "[checkpoint]") {
  const ExampleFile file;
  const auto tensor_error = [&](const std::string& name, std::optional<Tensor> replacement) {
    return file.error_after([&](Safetensors& contents) {
      contents.tensors.erase(name);
      if (replacement) contents.tensors.emplace(name, *replacement);
    });
  };
  const std::string training = file.path + ": metadata training: ";

  SECTION("tensors") {
    CHECK(tensor_error("1-0.weight", {}) == file.path + ": tensor \"1-0.weight\" is missing");
    CHECK(tensor_error("1-0.weight", Tensor(DType::i8, {4, 3})) ==
          file.path + ": tensor \"1-0.weight\": expected dtype F32, found I8");
    CHECK(tensor_error("1-0.weight", draw(1, {12})) ==
          file.path + ": tensor \"1-0.weight\": expected 2 axes, found shape (12)");
  }
  SECTION("moments") {
    CHECK(tensor_error("1-0.moment.1", draw(1, {3, 4})) ==
          file.path + ": tensor \"1-0.moment.1\": expected shape (4, 3), found (3, 4)");
    CHECK(tensor_error("1-0.moment.1", {}) == file.path + ": tensor \"1-0.moment.1\" is missing");
  }
  SECTION("values of a sparse edge") {
    CHECK(tensor_error("1-1.weight", draw(1, {5})) ==
          file.path + ": tensor \"1-1.weight\": expected shape (4), found (5)");
  }
  SECTION("the text of the network") {
    CHECK(file.error_after([](Safetensors& contents) { contents.metadata.erase("network"); }) ==
          file.path + ": metadata network is missing");
  }
  SECTION("no training") {
    CHECK(file.error_after([](Safetensors& contents) { contents.metadata.erase("training"); }) ==
          file.path + ": metadata training is missing");
  }
  SECTION("no JSON") {
    CHECK(file.error_after([](Safetensors& contents) { contents.metadata["training"] = "[1"; }) ==
          training + "data is missing or malformed");
  }
  SECTION("the key of the data") {
    CHECK(file.error_after("4294967295", "4294967296") == training + "shuffle is missing or malformed");
  }
  SECTION("the number of steps") {
    CHECK(file.error_after("\"steps\":5", "\"steps\":8") == training + "steps is missing or malformed");
  }
  SECTION("a negative number") {
    CHECK(file.error_after("\"images\":20", "\"images\":-1") == training + "images is missing or malformed");
  }
  SECTION("a fraction") {
    CHECK(file.error_after("\"images\":20", "\"images\":2.5") == training + "images is missing or malformed");
  }
  SECTION("batches of none") {
    CHECK(file.error_after("\"batch_size\":3", "\"batch_size\":0") ==
          training + "batch_size is missing or malformed");
  }
  SECTION("the length of the history") {
    CHECK(file.error_after("\"epochs\":2", "\"epochs\":1") == training + "history is missing or malformed");
  }
  SECTION("a number that isn't finite") {
    CHECK(file.error_after("\"seconds\":0.7", "\"seconds\":null") ==
          training + "seconds is missing or malformed");
  }
  SECTION("an edge given twice") {
    CHECK(file.error_after("\"receiver\":2,\"sender\":1", "\"receiver\":1,\"sender\":0") ==
          file.path + ": tensor \"1-0.weight\" is missing");
  }
}

TEST_CASE("malformed connections with the right checksum are refused", "[checkpoint]") {
  const ExampleFile file;
  struct Connections {
    const char* name;
    std::vector<std::int32_t> values;
  };
  const auto connections = GENERATE(Connections{"1-1.offsets", {0, 2, 1, 4}},    // falling
                                    Connections{"1-1.offsets", {1, 2, 3, 4}},    // not from the first
                                    Connections{"1-1.offsets", {0, 2, 3, 3}},    // not to the last
                                    Connections{"1-1.offsets", {0, 2, 4}},       // too few senders
                                    Connections{"1-1.offsets", {}},              // none
                                    Connections{"1-1.receivers", {2, 0, 1, 2}},  // falling
                                    Connections{"1-1.receivers", {0, 0, 1, 2}},  // twice the same
                                    Connections{"1-1.receivers", {0, 3, 1, 2}},  // beyond the last
                                    Connections{"1-1.receivers", {-1, 0, 1, 2}});
  const auto length = static_cast<std::int64_t>(connections.values.size());
  CHECK(file.error_after([&](Safetensors& contents) {
    contents.tensors.at(connections.name) = Tensor::of({length}, connections.values);
  }) == file.path + ": edge 1-1: the connections are malformed");
}

TEST_CASE("a text of a network that isn't UTF-8 can't be saved", "[checkpoint]") {
  const TemporaryFolder folder;
  TrainingRecord training = example_record();
  training.network = "\xff";
  CHECK(error_of([&] { save_checkpoint(folder / "c", example_edges(), training); }) ==
        folder / "c" + ": cannot write: names and metadata must be UTF-8");
  CHECK(folder.names().empty());
}

/// Saves the same checkpoint with different contents again and again, until it is killed.
[[noreturn]] void save_for_ever(const std::string& path, const std::array<Edges, 2>& contents, int ready) {
  for (std::size_t i = 0;; ++i) {
    try {
      save_checkpoint(path, contents[i % 2], {});
    } catch (...) {
      ::_exit(1);
    }
    if (i == 1 && ::write(ready, "", 1) != 1) ::_exit(1);
  }
}

TEST_CASE("a process killed while it saves leaves a whole checkpoint", "[checkpoint]") {
  const TemporaryFolder folder;
  const std::string path = folder / "checkpoint.safetensors";
  constexpr std::int64_t side = 200;
  std::array<Edges, 2> contents;
  for (std::size_t i = 0; i < contents.size(); ++i) {
    contents[i][{1, 0}].weight.values = draw(i, {side, side});
  }
  for (std::uint32_t round = 0; round < 20; ++round) {
    std::array<int, 2> ready{};
    REQUIRE(::pipe(ready.data()) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) save_for_ever(path, contents, ready[1]);
    ::close(ready[1]);
    char signal = 1;
    const bool started = ::read(ready[0], &signal, 1) == 1;
    ::close(ready[0]);
    constexpr std::uint32_t longest_us = 10000;
    ::usleep(threefry(key_of(round), {0, 0})[0] % longest_us);
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(started);
    REQUIRE(WIFSIGNALED(status));
    const Checkpoint checkpoint = load_checkpoint(path);
    const Tensor& weight = checkpoint.edges.at({1, 0}).weight.values;
    CHECK((weight == contents[0].at({1, 0}).weight.values || weight == contents[1].at({1, 0}).weight.values));
  }
}

/// 4 inputs, 3 recurrent units with a sparse coupling, 2 outputs.
Network small_network(Optimizer optimizer) {
  Network network;
  network.map = LayerMap({4, 3, 2});
  network.map.add(1, 0, FullyConnected{.strength = 1, .threshold = 1})
      .add(1, 1, SparseRecurrentDiscrete{.j_d = 0.5, .threshold = 1, .sparsity = 0.5})
      .add(1, 2, FrozenFullyConnected{.strength = 1, .threshold = 1})
      .add(2, 1, SparseFullyConnected{.strength = 1, .threshold = 1, .sparsity = 0.3})
      .add(2, 2, OutputLayer{});
  network.schedule = Schedule::dynamical(1, 2, 2, 2);
  network.optimizer = std::move(optimizer);
  network.input = Values::ternary();
  network.label = Values::ternary();
  network.seed = 5;
  return network;
}

TEST_CASE("a session takes over a checkpoint of another one", "[checkpoint]") {
  const TemporaryFolder folder;
  Network network = small_network(Optimizer::adam(0.1));
  network.seed = 6;  // another seed, so other weights and other connections
  Session source(network);
  source.train_batch(Tensor::of<std::int8_t>({1, 4}, {1, -1, 1, 1}), Tensor::of<float>({1, 2}, {1, -1}));
  save_checkpoint(folder / "c", source.edges(), {});
  Session session(small_network(Optimizer::adam(0.1)));
  REQUIRE(session.digest() != source.digest());
  restore(session, load_checkpoint(folder / "c"), folder / "c");
  check_same(session.edges(), source.edges());
  CHECK(session.digest() == source.digest());
}

TEST_CASE("a checkpoint of another network is refused and changes nothing", "[checkpoint]") {
  Session session(small_network(Optimizer::adam(0.1)));
  const std::string digest = session.digest();
  const auto error_after = [&](const std::function<void(Edges&)>& change) {
    Checkpoint checkpoint{.edges = session.edges(), .training = {}};
    change(checkpoint.edges);
    std::string error = error_of([&] { restore(session, std::move(checkpoint), "dir/c"); });
    CHECK(session.digest() == digest);
    return error;
  };
  CHECK(error_after([](Edges& edges) {
          edges.erase({1, 2});
        }) == "dir/c: edge 1-2: the network needs a weight, the checkpoint has none");
  CHECK(error_after([](Edges& edges) {
          edges[{3, 2}] = dense_edge(1, 0);
        }) == "dir/c: edge 3-2: the checkpoint has a weight, the network has none");
  CHECK(
      error_after([](Edges& edges) {
        edges.at({1, 0}).weight.values = draw(1, {5, 3});
      }) ==
      "dir/c: edge 1-0: the network needs a dense weight of shape (4, 3), the checkpoint has a dense weight "
      "of shape (5, 3)");
  CHECK(error_after([](Edges& edges) {
          edges.at({1, 1}).weight = {.values = draw(1, {3, 3}), .pattern = nullptr};
        }) ==
        "dir/c: edge 1-1: the network needs a sparse recurrent weight of shape (3, 3), the checkpoint has a "
        "dense weight of shape (3, 3)");
  CHECK(error_after([](Edges& edges) {
          edges.at({2, 1}).weight = edges.at({1, 1}).weight;
        }) ==
        "dir/c: edge 2-1: the network needs a sparse weight of shape (3, 2), the checkpoint has a sparse "
        "recurrent "
        "weight of shape (3, 3)");
  CHECK(error_after([](Edges& edges) {
          edges.at({1, 0}).moments.pop_back();
        }) == "dir/c: edge 1-0: the network's optimizer keeps 2 moments, the checkpoint has 1");
}

TEST_CASE("what a session refuses is reported with the checkpoint's name", "[checkpoint]") {
  Session session(small_network(Optimizer::sgd(1)));
  const std::string digest = session.digest();
  Checkpoint checkpoint{.edges = session.edges(), .training = {}};
  checkpoint.edges.at({1, 0}).weight.values.data<float>()[1] = std::numeric_limits<float>::infinity();
  const std::string error = error_of([&] { restore(session, std::move(checkpoint), "dir/c"); });
  CHECK(error.starts_with("dir/c: edge 1-0: "));
  CHECK(session.digest() == digest);
}

}  // namespace
}  // namespace relaxon
