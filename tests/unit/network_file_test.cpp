#include "frontends/network_file.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/files.hpp"

namespace relaxon {
namespace {

using testing::error_of;
using testing::TemporaryFolder;
using testing::write_bytes;

using Overrides = std::vector<std::string>;

const std::string minimal = R"([network]
sizes = [784, 20, 10]
seed = 1

[[edge]]
receiver = 1
sender = 0
module = "FullyConnected"
strength = 5.0
threshold = 1.0

[[edge]]
receiver = 1
sender = 1
module = "RecurrentDiscrete"
j_d = 0.5
threshold = 1

[[edge]]
receiver = 2
sender = 1
module = "FullyConnected"
strength = 1.0
threshold = 1.0

[[edge]]
receiver = 2
sender = 2
module = "OutputLayer"

[data]
name = "fashion-mnist"

[schedule]
kind = "two-phase"
iterations = 3

[optimizer]
name = "sgd"
lr = 1.0

[train]
epochs = 2
)";

/// The file with one piece of its text replaced.
std::string with(const std::string& before, const std::string& after) {
  std::string text = minimal;
  const std::size_t at = text.find(before);
  REQUIRE(at != std::string::npos);
  return text.replace(at, before.size(), after);
}

NetworkFile parse(const std::string& text, const Overrides& overrides = {}) {
  return parse_network_file(text, "net.toml", overrides);
}

std::string error_in(const std::string& text, const Overrides& overrides = {}) {
  return error_of([&] { parse(text, overrides); });
}

std::string error_with(const std::string& before, const std::string& after) {
  return error_in(with(before, after));
}

NetworkFile published(const std::string& name) {
  return load_network_file(std::string(RELAXON_NETWORKS_DIR) + "/" + name + ".toml");
}

const std::string two_phase = "kind = \"two-phase\"\niterations = 3\n";
const std::string rate = "lr = 1.0\n";

TEST_CASE("a minimal network file gives the declared values and the defaults", "[network_file]") {
  const NetworkFile file = parse(minimal);
  LayerMap map({784, 20, 10});
  map.add(1, 0, FullyConnected{.strength = 5, .threshold = 1, .in_features = {}, .out_features = {}});
  map.add(1, 1, RecurrentDiscrete{.j_d = 0.5, .threshold = 1, .features = {}});
  map.add(2, 1, FullyConnected{.strength = 1, .threshold = 1, .in_features = {}, .out_features = {}});
  map.add(2, 2, OutputLayer{});
  CHECK(file.network.map == map);
  CHECK(file.network.seed == 1);
  CHECK(file.network.rng == RngLayout::partitionable);
  CHECK(file.network.keys == std::nullopt);
  CHECK(file.network.fixed_bits == 20);
  CHECK(file.network.schedule == Schedule::two_phase(3, 6));
  CHECK(file.network.optimizer == OptimizerMap(Optimizer::sgd(1.0)));
  CHECK(file.network.input == Values::ternary());
  CHECK(file.network.label.kind == Values::Kind::two_valued);
  CHECK(file.data == DataOptions{});
  CHECK(file.train == TrainSettings{.epochs = 2, .train_eval = {}});
  CHECK(file.text == minimal);
}

TEST_CASE("every argument of a module is read, numbers or lists", "[network_file]") {
  const NetworkFile file = parse(with(R"(module = "RecurrentDiscrete"
j_d = 0.5
threshold = 1
)",
                                      R"(module = "SparseRecurrentDiscrete"
features = 20
j_d = [1, 2.5, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]
sparsity = 0.75
threshold = 2
strength = 0.5
lr = 0.25
weight_decay = 0.125
lr_scaling = "sparsity"
key = 2
)"));
  std::vector<double> j_d(20, 1.0);
  j_d[1] = 2.5;
  const Edge expected{SparseRecurrentDiscrete{.j_d = j_d,
                                              .threshold = 2,
                                              .sparsity = 0.75,
                                              .strength = 0.5,
                                              .lr = 0.25,
                                              .weight_decay = 0.125,
                                              .lr_scaling = LrScaling::sparsity,
                                              .features = 20},
                      2};
  CHECK(file.network.map.at({1, 1}) == expected);
}

TEST_CASE("every key of the network is read", "[network_file]") {
  const NetworkFile file =
      parse(with("seed = 1\n", "seed = 9223372036854775807\nrng = \"original\"\nkeys = 7\nfixed_bits = 8\n"));
  CHECK(file.network.seed == 9223372036854775807U);
  CHECK(file.network.rng == RngLayout::original);
  CHECK(file.network.keys == 7);
  CHECK(file.network.fixed_bits == 8);
}

TEST_CASE("every key of the data is read", "[network_file]") {
  const NetworkFile file = parse(with("name = \"fashion-mnist\"\n", R"(name = "mnist"
path = "some/folder"
seed = 3
key_path = [["split", 2, 1], ["fold_in", 4294967295]]
batch_size = 7
linear_projection = 784
num_images_per_class = 11
label_mode = "ooe"
x_transform = "tanh"
rescaling = "standardize"
validation_fraction = 0.125
flatten = true
shuffle = false
recipe = "epochs"
)"));
  CHECK(file.data == DataOptions{.name = DataSource::mnist,
                                 .path = "some/folder",
                                 .seed = 3,
                                 .key_path = {SplitStep{2, 1}, FoldInStep{4294967295}},
                                 .batch_size = 7,
                                 .linear_projection = 784,
                                 .num_images_per_class = 11,
                                 .label_mode = LabelMode::ooe,
                                 .x_transform = Transform::tanh,
                                 .rescaling = Rescaling::standardize,
                                 .validation_fraction = 0.125,
                                 .flatten = true,
                                 .shuffle = false,
                                 .recipe = Recipe::epochs});
  CHECK(file.network.input == Values::real());
  CHECK(file.network.label == Values::ternary());
}

TEST_CASE("every kind of schedule is read", "[network_file]") {
  const auto schedule = [](const std::string& table) {
    return parse(with(two_phase, table)).network.schedule;
  };
  const std::string counts = "warmup = 1\nclamped = 2\nfree = 3\nevaluate = 4\n";
  const std::string without_warmup = "clamped = 2\nfree = 3\nevaluate = 4\n";
  CHECK(schedule("kind = \"dynamical\"\n" + counts) == Schedule::dynamical(1, 2, 3, 4));
  CHECK(schedule("kind = \"two-phase\"\niterations = 5\nevaluate = 6\n") == Schedule::two_phase(5, 6));
  CHECK(schedule("kind = \"alternate\"\n" + without_warmup) == Schedule::alternate(3, 2, 4));
  CHECK(schedule("kind = \"contrastive\"\n" + without_warmup) == Schedule::contrastive(3, 2, 4));
  const Schedule custom{.steps = {Phase{Filter::all, 5}, UpdatePoint{{{2, 1}}}, Phase{Filter::backward, 0},
                                  UpdatePoint{{{1, 0}, {1, 1}}}},
                        .evaluate = {Phase{Filter::forward, 1}, Phase{Filter::inference, 7}},
                        .update_filter = Filter::all,
                        .sweep = Sweep::synchronous};
  CHECK(schedule(R"(kind = "custom"
phases = [{filter = "all", iterations = 5}, {update = ["2-1"]}, {filter = "backward", iterations = 0},
          {update = ["1-0", "1-1"]}]
evaluate_phases = [{filter = "forward", iterations = 1}, {filter = "inference", iterations = 7}]
update_filter = "all"
sweep = "synchronous"
)") == custom);
}

TEST_CASE("every optimizer is read, also for single edges", "[network_file]") {
  const auto optimizer = [](const std::string& table) {
    return parse(with("name = \"sgd\"\nlr = 1.0\n", table)).network.optimizer;
  };
  CHECK(optimizer("name = \"sgd\"\nlr = 2\nmomentum = 0.5\nnesterov = true\n") ==
        OptimizerMap(Optimizer::sgd(2.0, 0.5, true)));
  CHECK(optimizer("name = \"adam\"\nlr = [1, 0.5]\nb1 = 0.5\nb2 = 0.25\neps = 1e-4\n") ==
        OptimizerMap(Optimizer::adam(std::vector<double>{1, 0.5}, 0.5, 0.25, 1e-4)));
  const RateSchedule cosine{
      .kind = RateSchedule::Kind::cosine, .from = 1, .to = 0, .steps = 100, .warmup = 10};
  CHECK(optimizer("name = \"adamw\"\nweight_decay = 0.01\n"
                  "lr = { schedule = \"cosine\", from = 1, to = 0, steps = 100, warmup = 10 }\n") ==
        OptimizerMap(Optimizer::adamw(cosine, 0.01)));
  OptimizerMap per_edge = Optimizer::adam(0.5, 0.1);
  per_edge.edges.emplace(EdgeId{1, 0}, Optimizer::adam(0.25));
  CHECK(optimizer(
            "name = \"adam\"\nlr = 0.5\nb1 = 0.1\n[optimizer.edge.\"1-0\"]\nname = \"adam\"\nlr = 0.25\n") ==
        per_edge);
}

TEST_CASE("train_eval is a number of images or all of them", "[network_file]") {
  CHECK(parse(minimal + "train_eval = 500\n").train.train_eval == 500);
  CHECK(parse(minimal + "train_eval = \"all\"\n").train.train_eval == TrainSettings::all_images);
}

TEST_CASE("mnist_dense is read as published", "[network_file]") {
  const NetworkFile file = published("mnist_dense");
  LayerMap map({100, 300, 10});
  map.add(1, 0, FullyConnected{.strength = 5, .threshold = 1, .in_features = {}, .out_features = {}}, 0);
  map.add(1, 1, RecurrentDiscrete{.j_d = 0.5, .threshold = 1, .features = {}}, 1);
  map.add(1, 2, FrozenFullyConnected{.strength = 0.5, .threshold = 0, .in_features = {}, .out_features = {}},
          2);
  map.add(2, 1, FullyConnected{.strength = 1, .threshold = 1, .in_features = {}, .out_features = {}}, 3);
  map.add(2, 2, OutputLayer{});
  CHECK(file.network.map == map);
  CHECK(file.network.seed == 44);
  CHECK(file.network.keys == 5);
  CHECK(file.network.schedule == Schedule::dynamical(1, 7, 7, 14));
  CHECK(file.network.optimizer == OptimizerMap(Optimizer::adam(2e-3)));
  CHECK(file.network.input == Values::ternary());
  CHECK(file.network.label == Values::two_valued(1.08113885F, -0.5F));
  DataOptions data;
  data.seed = 59;
  data.key_path = {SplitStep{2, 1}};
  data.recipe = Recipe::once;
  data.batch_size = 16;
  data.linear_projection = 100;
  data.num_images_per_class = 5400;
  CHECK(file.data == data);
  CHECK(file.train.epochs == 5);
}

TEST_CASE("mnist_sparse is read as published", "[network_file]") {
  const NetworkFile file = published("mnist_sparse");
  const Edge input{SparseFullyConnected{.strength = 5,
                                        .threshold = 1.78,
                                        .sparsity = 0.9,
                                        .lr = 0.50280215,
                                        .weight_decay = 0.01,
                                        .in_features = {},
                                        .out_features = {}},
                   0};
  const Edge recurrent{SparseRecurrentDiscrete{.j_d = 0.95,
                                               .threshold = 1.78,
                                               .sparsity = 0.99,
                                               .lr = 0.58,
                                               .weight_decay = 0.00006,
                                               .features = {}},
                       1};
  const Edge feedback{
      FrozenRescaledFullyConnected{.strength = 1.3, .threshold = 0, .in_features = {}, .out_features = {}},
      2};
  CHECK(file.network.map.at({1, 0}) == input);
  CHECK(file.network.map.at({1, 1}) == recurrent);
  CHECK(file.network.map.at({1, 2}) == feedback);
  CHECK(file.network.input == Values::bytes(1.0F / 255.0F));
  CHECK(file.network.label == Values::ternary());
  CHECK(file.network.schedule == Schedule::dynamical(1, 5, 5, 5));
  CHECK(file.network.optimizer == OptimizerMap(Optimizer::sgd(1.0)));
  CHECK(file.train.epochs == 20);
}

TEST_CASE("the other published networks are read", "[network_file]") {
  CHECK(published("hand_written_loop").network.schedule == Schedule::two_phase(10, 20));
  CHECK(published("hand_written_loop").network.map == published("mnist_dense").network.map);

  const NetworkFile chain = published("chain");
  CHECK(chain.network.map.sizes() == std::vector<Shape>{{200}, {600}, {600}, {600}, {10}});
  CHECK(chain.network.map.edges().size() == 13);
  CHECK(chain.network.map.key_index({4, 3}) == 9);
  CHECK(chain.network.map.key_index({4, 1}) == 10);

  const NetworkFile pixels = published("pixels");
  CHECK(pixels.network.optimizer == OptimizerMap(Optimizer::adam(5e-4)));
  CHECK(pixels.data.x_transform == Transform::identity);

  const RateSchedule linear{
      .kind = RateSchedule::Kind::linear, .from = 1, .to = 0, .steps = 75000, .warmup = 0};
  CHECK(published("fashion_sparse").network.optimizer == OptimizerMap(Optimizer::sgd(linear)));
}

TEST_CASE("a --set replaces keys of any table", "[network_file]") {
  const NetworkFile file =
      parse(minimal, {"network.seed=3", "edge.1-1.threshold = 0.96", "optimizer.lr=[1, 0.1]",
                      "optimizer.name=adam", "data.x_transform=identity", "train.epochs=7"});
  CHECK(file.network.seed == 3);
  CHECK(file.network.map.at({1, 1}).module ==
        Module(RecurrentDiscrete{.j_d = 0.5, .threshold = 0.96, .features = {}}));
  CHECK(file.network.optimizer == OptimizerMap(Optimizer::adam(std::vector<double>{1, 0.1})));
  CHECK(file.network.input == Values::bytes(1.0F / 255.0F));
  CHECK(file.train.epochs == 7);
}

TEST_CASE("a --set adds keys and tables", "[network_file]") {
  const NetworkFile file = parse(minimal, {"optimizer.edge.1-0.lr=0.5", "optimizer.edge.1-0.name=sgd",
                                           "data.path=/some where/else", "train.train_eval=all"});
  CHECK(file.network.optimizer.at({1, 0}) == Optimizer::sgd(0.5));
  CHECK(file.data.path == "/some where/else");
  CHECK(file.train.train_eval == TrainSettings::all_images);
}

TEST_CASE("the text of a changed file parses to the changed file", "[network_file]") {
  for (const std::string name :
       {"chain", "fashion_sparse", "hand_written_loop", "mnist_dense", "mnist_sparse"}) {
    const std::string path = std::string(RELAXON_NETWORKS_DIR) + "/" + name + ".toml";
    const NetworkFile file =
        load_network_file(path, Overrides{"network.seed=7", "data.path=\"a \\\"b\\\"\""});
    const NetworkFile again = parse(file.text);
    CHECK(again.network == file.network);
    CHECK(again.data == file.data);
    CHECK(again.train == file.train);
    CHECK(again.network.seed == 7);
    CHECK(again.data.path == "a \"b\"");
  }
}

TEST_CASE("errors of --set name its text", "[network_file]") {
  const auto error = [](const std::string& assignment) { return error_in(minimal, {assignment}); };
  const std::string form = ": expected KEY=VALUE such as network.seed=3";
  CHECK(error("network.seed") == "--set network.seed" + form);
  CHECK(error("=3") == "--set =3" + form);
  CHECK(error("network..seed=3") == "--set network..seed=3" + form);
  CHECK(error("network.seed=3\nkeys=4") == "--set network.seed=3\\x0akeys=4" + form);
  CHECK(error("network.seed=x") ==
        "--set network.seed=x: network.seed: expected an integer 0 .. 9223372036854775807, found \"x\"");
  CHECK(error("network.seed=") ==
        "--set network.seed=: network.seed: expected an integer 0 .. 9223372036854775807, found \"\"");
  CHECK(error("network.sizes=[784,") == "--set network.sizes=[784,: expected a TOML value after =");
  CHECK(error("network.sead=3") ==
        "--set network.sead=3: network.sead: expected one of the keys sizes, seed, rng, keys, fixed_bits, "
        "found an "
        "unknown key");
  CHECK(error("nets.seed=3") ==
        "--set nets.seed=3: nets: expected one of the keys network, edge, data, schedule, optimizer, train, "
        "found an "
        "unknown key");
  CHECK(error("network.seed.low=3") == "--set network.seed.low=3: seed is not a table");
  CHECK(error("edge.1-0=3") == "--set edge.1-0=3: expected a key of one edge, such as edge.1-0.strength");
  CHECK(error("edge.1-2.lr=3") ==
        "--set edge.1-2.lr=3: edge.1-2: expected one of the edges 1-0, 1-1, 2-1, 2-2");
  CHECK(error("edge.1-1.threshold=nan") ==
        "--set edge.1-1.threshold=nan: edge.1-1.threshold: expected a finite number, found nan");
  CHECK(error("data.batch_size=0") ==
        "--set data.batch_size=0: data.batch_size: expected an integer >= 1, found 0 (with --set "
        "data.batch_size=0)");
  CHECK(error("edge.1-1.features=3") ==
        "net.toml:12: edge 1-1: RecurrentDiscrete: features = 3; the sizes of its buffers make it 20 (with "
        "--set "
        "edge.1-1.features=3)");
}

TEST_CASE("errors of syntax name line and column", "[network_file]") {
  CHECK(error_with("seed = 1", "seed = ") ==
        "net.toml:3:8: Error while parsing key-value pair: expected value, saw '\\n'");
  CHECK(error_with("[data]", "[network]") ==
        "net.toml:31:1: Error while parsing table header: cannot redefine existing table 'network'");
  CHECK(error_with("seed = 1", "seed = 1\nseed = 2") ==
        "net.toml:4:8: Error while parsing key-value pair: cannot redefine existing integer 'seed'");
  CHECK(error_with("seed = 1", "seed = 99999999999999999999") ==
        "net.toml:3:28: Error while parsing decimal integer: '99999999999999999999' is not representable in "
        "64 bits");
}

TEST_CASE("keys nested too deep are refused before they are parsed", "[network_file]") {
  std::string deep = "# . . .\ns = \"\"\"\n.\"\"\"\n";
  for (int i = 0; i < 200'000; ++i) deep += "a.";
  const std::string message = "net.toml:4: expected a key of at most 64 parts, found more";
  CHECK(error_in(deep + "a = 1") == message);
  const auto header = deep.find("a.");
  deep.insert(header, "[");
  CHECK(error_in(deep + "a]") == message);
}

TEST_CASE("long texts and lists with many dots are no deep keys", "[network_file]") {
  std::string list = "lr = [";
  for (int i = 0; i < 100; ++i) list += "0.5, ";
  const std::string comment = "] # " + std::string(100, '.') + "\n";
  CHECK(parse(with(rate, list + comment)).network.optimizer.fallback.lr == std::vector<double>(100, 0.5));
  const std::string dots(100, '.');
  CHECK(
      parse(with("name = \"fashion-mnist\"", "name = \"fashion-mnist\"\npath = '" + dots + "'")).data.path ==
      dots);
}

TEST_CASE("network files that can't be read are named", "[network_file]") {
  const TemporaryFolder folder;
  const std::string missing = folder / "missing.toml";
  CHECK(error_of([&] { load_network_file(missing); }) == missing + ": no such file");
  const std::string here = folder.path().string();
  CHECK(error_of([&] { load_network_file(here); }) == here + ": expected a file, found a directory");
  const std::string path = folder / "net.toml";
  write_bytes(path, with("seed = 1", "seed = true"));
  CHECK(error_of([&] { load_network_file(path); }) ==
        path + ":3: network.seed: expected an integer 0 .. 9223372036854775807, found true");
}

TEST_CASE("an unknown key is refused with the known ones", "[network_file]") {
  const std::string unknown = ", found an unknown key";
  CHECK(error_with("seed = 1", "sead = 1") ==
        "net.toml:3: network.sead: expected one of the keys sizes, seed, rng, keys, fixed_bits" + unknown);
  CHECK(error_with("[train]", "[\"tra\\nin\"]") ==
        "net.toml:42: \"tra\\x0ain\": expected one of the keys network, edge, data, schedule, optimizer, "
        "train" +
            unknown);
  CHECK(error_with("j_d = 0.5", "j_d = 0.5\nsparsity = 0.5") ==
        "net.toml:17: edge.1-1.sparsity: expected one of the keys receiver, sender, module, features, j_d, "
        "threshold, "
        "strength, lr, weight_decay, key" +
            unknown);
  CHECK(error_with("name = \"fashion-mnist\"", "name = \"fashion-mnist\"\nclasses = 10") ==
        "net.toml:33: data.classes: expected one of the keys name, path, seed, key_path, batch_size, "
        "linear_projection, num_images_per_class, label_mode, x_transform, rescaling, validation_fraction, "
        "flatten, "
        "shuffle, recipe" +
            unknown);
  CHECK(error_with("iterations = 3", "iterations = 3\nwarmup = 1") ==
        "net.toml:37: schedule.warmup: expected one of the keys kind, iterations, evaluate, sweep, "
        "update_filter" +
            unknown);
  CHECK(error_with(rate, "lr = 1.0\nb1 = 0.5\n") ==
        "net.toml:41: optimizer.b1: expected one of the keys name, lr, momentum, nesterov, edge" + unknown);
  CHECK(error_with("epochs = 2", "epochs = 2\nsteps = 3") ==
        "net.toml:44: train.steps: expected one of the keys epochs, train_eval" + unknown);
}

TEST_CASE("a missing key is named with what belongs there", "[network_file]") {
  CHECK(error_in("") == "net.toml:1: network: expected a table, found nothing");
  CHECK(error_in("[network]\n") == "net.toml:1: edge: expected a list of tables [[edge]], found nothing");
  CHECK(error_with("[train]\nepochs = 2\n", "") == "net.toml:1: train: expected a table, found nothing");
  CHECK(error_with("sizes = [784, 20, 10]\n", "") ==
        "net.toml:1: network.sizes: expected a list of sizes, found nothing");
  CHECK(error_with("seed = 1\n", "") ==
        "net.toml:1: network.seed: expected an integer 0 .. 9223372036854775807, found nothing");
  CHECK(error_with("receiver = 1\n", "") ==
        "net.toml:5: edge[0].receiver: expected an integer, found nothing");
  CHECK(error_with("module = \"FullyConnected\"\n", "") ==
        "net.toml:5: edge.1-0.module: expected one of " + module_names() + ", found nothing");
  CHECK(error_with("j_d = 0.5\n", "") ==
        "net.toml:12: edge.1-1.j_d: expected a number or a list of numbers, found nothing");
  CHECK(error_with("name = \"fashion-mnist\"\n", "") ==
        "net.toml:31: data.name: expected one of \"fashion-mnist\", \"mnist\", \"idx\", found nothing");
  CHECK(error_with("iterations = 3\n", "") ==
        "net.toml:34: schedule.iterations: expected an integer 0 .. 1000000000, found nothing");
  CHECK(error_with(rate, "") ==
        "net.toml:38: optimizer.lr: expected a number, a list of numbers or a schedule, found nothing");
  CHECK(error_with("lr = 1.0", "lr = {schedule = \"step\", from = 1, to = 0}") ==
        "net.toml:40: optimizer.lr.steps: expected an integer, found nothing");
  CHECK(error_with("name = \"sgd\"\nlr = 1.0", "name = \"adamw\"\nlr = 1.0") ==
        "net.toml:38: optimizer.weight_decay: expected a number, found nothing");
  CHECK(error_with(rate, "lr = 1.0\n[optimizer.edge.\"1-0\"]\nname = \"sgd\"\n") ==
        "net.toml:41: optimizer.edge.1-0.lr: expected a number, a list of numbers or a schedule, found "
        "nothing");
  CHECK(error_with("epochs = 2", "train_eval = 2") ==
        "net.toml:42: train.epochs: expected an integer 0 .. 1000000000, found nothing");
}

TEST_CASE("a value of the wrong type is shown", "[network_file]") {
  CHECK(error_in("network = 3\n" + with("[network]\nsizes = [784, 20, 10]\nseed = 1\n", "")) ==
        "net.toml:1: network: expected a table, found 3");
  CHECK(error_in("edge = [1]\n[network]\nsizes = [2, 2]\nseed = 1\n") ==
        "net.toml:1: edge[0]: expected a table, found 1");
  CHECK(error_in("[edge]\n[network]\nsizes = [2, 2]\nseed = 1\n") ==
        "net.toml:1: edge: expected a list of tables [[edge]], found a table");
  CHECK(error_with("[784, 20, 10]", "784") ==
        "net.toml:2: network.sizes: expected a list of sizes, found 784");
  CHECK(error_with("20, 10]", "20.5, 10]") ==
        "net.toml:2: network.sizes[1]: expected an integer or a list of integers, found 20.5");
  CHECK(error_with("20, 10]", "[20, \"x\"], 10]") ==
        "net.toml:2: network.sizes[1][1]: expected an integer, found \"x\"");
  CHECK(error_with("seed = 1", "seed = 1.0") ==
        "net.toml:3: network.seed: expected an integer 0 .. 9223372036854775807, found 1");
  CHECK(error_with("seed = 1", "seed = 1979-05-27") ==
        "net.toml:3: network.seed: expected an integer 0 .. 9223372036854775807, found a date or time");
  CHECK(error_with("strength = 5.0", "strength = \"5\"") ==
        "net.toml:9: edge.1-0.strength: expected a number or a list of numbers, found \"5\"");
  CHECK(error_with("strength = 5.0", "strength = [1, true]") ==
        "net.toml:9: edge.1-0.strength[1]: expected a number, found true");
  CHECK(error_with("module = \"FullyConnected\"", "module = \"Dense\"") ==
        "net.toml:8: edge.1-0.module: expected one of " + module_names() + ", found \"Dense\"");
  CHECK(error_with("name = \"fashion-mnist\"", "name = \"fashion-mnist\"\nflatten = 1") ==
        "net.toml:33: data.flatten: expected true or false, found 1");
  CHECK(error_with("name = \"fashion-mnist\"", "name = \"fashion-mnist\"\npath = \"a\\u0000b\"") ==
        "net.toml:33: data.path: expected a path, found \"a\\x00b\"");
  CHECK(error_with(rate, "lr = \"fast\"\n") ==
        "net.toml:40: optimizer.lr: expected a number, a list of numbers or a schedule, found \"fast\"");
  CHECK(error_with(rate, "lr = 1.0\nedge = []\n") ==
        "net.toml:41: optimizer.edge: expected tables such as [optimizer.edge.\"1-0\"], found an empty list");
  CHECK(error_with(rate, "lr = 1.0\nedge.\"01-0\" = {}\n") ==
        "net.toml:41: optimizer.edge.01-0: expected an edge such as \"2-1\", receiver and sender, found "
        "another key");
  CHECK(error_with("epochs = 2", "epochs = 2\ntrain_eval = \"some\"") ==
        "net.toml:44: train.train_eval: expected an integer >= 1 or \"all\", found \"some\"");
}

TEST_CASE("words are checked", "[network_file]") {
  CHECK(error_with("seed = 1", "seed = 1\nrng = \"threefry\"") ==
        "net.toml:4: network.rng: expected one of \"partitionable\", \"original\", found \"threefry\"");
  CHECK(error_with("two-phase", "three-phase") ==
        "net.toml:35: schedule.kind: expected one of \"dynamical\", \"two-phase\", \"alternate\", "
        "\"contrastive\", "
        "\"custom\", found \"three-phase\"");
  CHECK(error_with("iterations = 3", "iterations = 3\nsweep = \"random\"") ==
        "net.toml:37: schedule.sweep: expected one of \"sequential\", \"synchronous\", found \"random\"");
  CHECK(error_with("iterations = 3", "iterations = 3\nupdate_filter = \"none\"") ==
        "net.toml:37: schedule.update_filter: expected one of \"all\", \"forward\", \"backward\", "
        "\"inference\", found "
        "\"none\"");
  CHECK(error_with("name = \"sgd\"", "name = \"rmsprop\"") ==
        "net.toml:39: optimizer.name: expected one of \"sgd\", \"adam\", \"adamw\", found \"rmsprop\"");
  CHECK(
      error_with("lr = 1.0", "lr = {schedule = \"exp\"}") ==
      "net.toml:40: optimizer.lr.schedule: expected one of \"linear\", \"cosine\", \"step\", found \"exp\"");
}

TEST_CASE("numbers out of range are refused", "[network_file]") {
  CHECK(error_with("seed = 1", "seed = -1") ==
        "net.toml:3: network.seed: expected an integer 0 .. 9223372036854775807, found -1");
  CHECK(error_with("sender = 0", "sender = 2147483648") ==
        "net.toml:7: edge[0].sender: expected an integer -2147483648 .. 2147483647, found 2147483648");
  CHECK(error_with("strength = 5.0", "strength = inf") ==
        "net.toml:9: edge.1-0.strength: expected a finite number, found inf");
  CHECK(error_with("strength = 5.0", "strength = 1e39") ==
        "net.toml:5: edge 1-0: FullyConnected: strength = 1e+39; expected a finite float32");
  CHECK(error_with("iterations = 3", "iterations = -1") ==
        "net.toml:36: schedule.iterations: expected an integer 0 .. 1000000000, found -1");
  CHECK(error_with("epochs = 2", "epochs = 1000000001") ==
        "net.toml:43: train.epochs: expected an integer 0 .. 1000000000, found 1000000001");
  CHECK(error_with("epochs = 2", "epochs = 2\ntrain_eval = 0") ==
        "net.toml:44: train.train_eval: expected an integer >= 1 or \"all\", found 0");
}

TEST_CASE("phases of custom schedules are checked", "[network_file]") {
  const auto error = [](const std::string& phases) {
    return error_with(two_phase, "kind = \"custom\"\nphases = " + phases + "\nevaluate_phases = []\n");
  };
  CHECK(error("3") == "net.toml:36: schedule.phases: expected a list of phases and updates, found 3");
  CHECK(error("[1]") == "net.toml:36: schedule.phases[0]: expected a table, found 1");
  CHECK(error("[{filter = \"all\"}]") ==
        "net.toml:36: schedule.phases[0].iterations: expected an integer 0 .. 1000000000, found nothing");
  CHECK(error("[{filter = \"all\", update = [\"2-1\"]}]") ==
        "net.toml:36: schedule.phases[0].filter: expected one of the keys update, found an unknown key");
  CHECK(error("[{update = []}]") ==
        "net.toml:36: schedule.phases[0].update: expected a list of edges such as [\"2-1\"], found an empty "
        "list");
  CHECK(error("[{update = [\"2-1\", \"2_1\"]}]") ==
        "net.toml:36: schedule.phases[0].update[1]: expected an edge such as \"2-1\", receiver and sender, "
        "found "
        "\"2_1\"");
  CHECK(error("[{update = [\"2-0\"]}]") ==
        "net.toml:34: schedule: step 0: update of edge 2-0, which is not in the map");
}

TEST_CASE("key paths are checked", "[network_file]") {
  const auto error = [](const std::string& path) {
    return error_with("name = \"fashion-mnist\"", "name = \"fashion-mnist\"\nkey_path = " + path);
  };
  CHECK(error("\"split\"") ==
        "net.toml:33: data.key_path: expected a list of [\"split\", count, index] and [\"fold_in\", data], "
        "found "
        "\"split\"");
  const std::string form = "expected [\"split\", count, index] or [\"fold_in\", data], found ";
  CHECK(error("[3]") == "net.toml:33: data.key_path[0]: " + form + "3");
  CHECK(error("[[]]") == "net.toml:33: data.key_path[0]: " + form + "an empty list");
  CHECK(error("[[\"split\", 2]]") == "net.toml:33: data.key_path[0]: " + form + "a list of 2");
  CHECK(error("[[\"split\", 2, \"x\"]]") ==
        "net.toml:33: data.key_path[0][2]: expected an integer, found \"x\"");
  CHECK(error("[[\"fold_in\", -1]]") ==
        "net.toml:33: data.key_path[0][1]: expected an integer 0 .. 4294967295, found -1");
  CHECK(error("[[\"split\", 2, 2]]") ==
        "net.toml:33: data.key_path[0]: expected child 0 .. 1 of a split into 2, found 2");
}

TEST_CASE("an edge given twice is named with both lines", "[network_file]") {
  CHECK(error_with("[data]", "[[edge]]\nreceiver = 1\nsender = 0\n\n[data]") ==
        "net.toml:31: edge.1-0: expected each edge once, found it again after line 5");
}

TEST_CASE("what is wrong with the map has the line of the edge", "[network_file]") {
  CHECK(error_with("receiver = 1\nsender = 0", "receiver = 0\nsender = 1") ==
        "net.toml:5: edge 0-1: row 0 can't receive, the input is clamped; rows are 1 .. 2");
  CHECK(error_with("sender = 0", "sender = 3") ==
        "net.toml:5: edge 1-3: unknown sender 3; buffers are 0 .. 2");
  CHECK(error_with("module = \"OutputLayer\"", "module = \"RecurrentDiscrete\"\nj_d = 1\nthreshold = 1") ==
        "net.toml:26: edge 2-2: RecurrentDiscrete in row 2; OutputLayer is the layer of the last row (2) and "
        "only of "
        "it");
  CHECK(error_with("strength = 5.0", "strength = [1, 2]") ==
        "net.toml:5: edge 1-0: FullyConnected: strength has length 2; expected a number or 20 numbers, one "
        "per output");
  CHECK(error_with("threshold = 1\n", "threshold = 1\nkey = 4\n") ==
        "net.toml:12: edge 1-1: key = 4; the network has keys 0 .. 3");
  CHECK(error_with("[[edge]]\nreceiver = 2\nsender = 2\nmodule = \"OutputLayer\"\n", "") ==
        "net.toml:1: row 2: no layer on the diagonal (2, 2)");
  CHECK(error_with("[784, 20, 10]", "[784, 0, 10]") ==
        "net.toml:2: sizes: buffer 1 has size (0); every axis must be 1 .. 2^31");
}

TEST_CASE("what is wrong elsewhere has the line of its table or key", "[network_file]") {
  CHECK(error_with("seed = 1", "seed = 1\nfixed_bits = 27") ==
        "net.toml:1: network: fixed_bits = 27; expected 4 .. 26");
  CHECK(error_with("name = \"fashion-mnist\"", "name = \"fashion-mnist\"\nbatch_size = 0") ==
        "net.toml:33: data.batch_size: expected an integer >= 1, found 0");
  CHECK(error_with("name = \"fashion-mnist\"", "name = \"mnist\"") ==
        "net.toml:31: data.path: expected the folder of the mnist files, found none");
  CHECK(error_with(rate, "lr = []\n") ==
        "net.toml:38: optimizer: lr is an empty list; expected at least one rate");
  CHECK(error_with(rate, "lr = 1\n[optimizer.edge.\"2-2\"]\nname = \"sgd\"\nlr = 1\n") ==
        "net.toml:41: optimizer of edge 2-2: OutputLayer is not trainable");
}

TEST_CASE("the sizes of the network must be those of the data", "[network_file]") {
  CHECK(error_with("[784, 20, 10]", "[100, 20, 10]") ==
        "net.toml:2: network.sizes: expected an input of size (784), as [data] gives, found (100)");
  CHECK(error_with("name = \"fashion-mnist\"", "name = \"fashion-mnist\"\nlinear_projection = 100") ==
        "net.toml:2: network.sizes: expected an input of size (100), as [data] gives, found (784)");
  CHECK(error_with("name = \"fashion-mnist\"", "name = \"fashion-mnist\"\nflatten = false") ==
        "net.toml:2: network.sizes: expected an input of size (28, 28, 1), as [data] gives, found (784)");
  CHECK(error_with("20, 10]", "20, 12]") ==
        "net.toml:2: network.sizes: expected an output of size (10), one unit a class, found (12)");
}

TEST_CASE("files with random damage give a network or one line", "[network_file]") {
  std::uint64_t random = 1;
  for (int i = 0; i < 2000; ++i) {
    const std::string text = testing::mutated(minimal, random);
    const std::string message = error_in(text);
    CAPTURE(text, message);
    CHECK(message.find_first_of("\r\n") == std::string::npos);
    CHECK((message == "no error" || message.starts_with("net.toml:")));
  }
}

}  // namespace
}  // namespace relaxon
