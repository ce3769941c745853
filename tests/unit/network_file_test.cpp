#include "frontends/network_file.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/files.hpp"
#include "tests/support/network_file_text.hpp"

namespace relaxon {
namespace {

using namespace testing;

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
        "--set nets.seed=3: nets: expected one of the keys network, edge, data, schedule, optimizer, train, lint, probe, "
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

}  // namespace
}  // namespace relaxon
