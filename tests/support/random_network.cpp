#include "tests/support/random_network.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "core/error.hpp"
#include "core/init.hpp"
#include "ir/op_info.hpp"
#include "passes/roles.hpp"

namespace relaxon::testing {
namespace {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}

  std::int64_t below(std::int64_t bound) {
    state_ += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return static_cast<std::int64_t>((z ^ (z >> 31)) % static_cast<std::uint64_t>(bound));
  }
  std::int64_t between(std::int64_t low, std::int64_t high) { return low + below(high - low + 1); }
  bool one_in(std::int64_t n) { return below(n) == 0; }
  /// A multiple of 1/8 in -2 .. 2, or any number there.
  float real(bool coarse) {
    return coarse ? static_cast<float>(between(-16, 16)) / 8
                  : static_cast<float>(below(1 << 24)) * 0x1p-22f - 2.0f;
  }

 private:
  std::uint64_t state_;
};

class NetworkAuthor {
 public:
  NetworkAuthor(std::uint64_t seed, std::int64_t largest) : random_(seed), largest_(largest) {}

  Network write() {
    const int hidden = static_cast<int>(random_.between(1, 5));
    std::vector<std::int64_t> units;
    for (int row = 0; row <= hidden; ++row) units.push_back(random_.between(1, largest_));
    units.push_back(random_.between(2, 7));
    network_.map = LayerMap(units);
    for (int row = 1; row <= hidden; ++row) add_row(row, hidden + 1);
    add_output(hidden + 1);
    network_.seed = static_cast<std::uint64_t>(random_.below(1000));
    network_.fixed_bits = random_.one_in(2) ? 20 : static_cast<int>(random_.between(4, 26));
    declare();
    schedule();
    network_.optimizer.fallback = optimizer();
    for (const EdgeId edge : network_.map.trainable()) {
      if (random_.one_in(4)) network_.optimizer.edges[edge] = optimizer();
    }
    network_.validate();
    return network_;
  }

 private:
  PerOutput threshold(int row) {
    if (!random_.one_in(3)) return static_cast<double>(random_.below(4)) / 2;
    std::vector<double> values(static_cast<std::size_t>(network_.map.units(row)));
    for (double& v : values) v = static_cast<double>(random_.between(-2, 6)) / 4;
    return values;
  }

  Module adapter(int row, int sender) {
    const double strength = 1 + static_cast<double>(random_.below(3));
    const bool rescalable = network_.map.units(sender) > 1;
    switch (random_.below(5)) {
      case 0: return FrozenFullyConnected{.strength = strength, .threshold = 0.0};
      case 1:
        if (rescalable) return FrozenRescaledFullyConnected{.strength = strength, .threshold = 0.0};
        break;
      case 2:
        return SparseFullyConnected{
            .strength = strength, .threshold = threshold(row), .sparsity = 0.6, .weight_decay = 0.01};
      default: break;
    }
    return FullyConnected{.strength = strength, .threshold = threshold(row)};
  }

  void add_row(int row, int output) {
    if (random_.one_in(3)) {
      network_.map.add(row, row,
                       SparseRecurrentDiscrete{.j_d = 0.5, .threshold = threshold(row), .sparsity = 0.7});
    } else {
      network_.map.add(row, row,
                       RecurrentDiscrete{.j_d = 0.25, .threshold = threshold(row), .weight_decay = 0.01});
    }
    for (int sender = 0; sender <= output; ++sender) {
      if (sender == row) continue;
      if (sender == row - 1 || random_.one_in(3)) network_.map.add(row, sender, adapter(row, sender));
    }
  }

  void add_output(int output) {
    network_.map.add(output, output, OutputLayer{});
    for (int sender = 0; sender < output; ++sender) {
      if (sender == output - 1 || random_.one_in(4))
        network_.map.add(output, sender, adapter(output, sender));
    }
  }

  void declare() {
    const std::array inputs{Values::real(), Values::ternary(), Values::bytes(1.0f / 255)};
    const std::array labels{Values::real(), Values::ternary(), Values::two_valued(1.0811388f, -0.5f),
                            Values::two_valued(-0.25f, -0.5f)};
    network_.input = inputs[static_cast<std::size_t>(random_.below(inputs.size()))];
    network_.label = labels[static_cast<std::size_t>(random_.below(labels.size()))];
  }

  Filter filter() {
    return std::array{Filter::all, Filter::forward, Filter::backward,
                      Filter::inference}[static_cast<std::size_t>(random_.below(4))];
  }

  void schedule() {
    switch (random_.below(6)) {
      case 0: network_.schedule = Schedule::dynamical(1, 2, 2, 3); break;
      case 1: network_.schedule = Schedule::two_phase(2); break;
      case 2: network_.schedule = Schedule::alternate(2, 2, 2); break;
      case 3: network_.schedule = Schedule::contrastive(2, 2, 2); break;
      default: network_.schedule = custom(); break;
    }
    network_.schedule.sweep = random_.one_in(3) ? Sweep::synchronous : Sweep::sequential;
    if (random_.one_in(3)) network_.schedule.update_filter = filter();
  }

  Schedule custom() {
    Schedule s;
    for (std::int64_t i = random_.between(1, 5); i > 0; --i) s.steps.emplace_back(Phase{filter(), 2});
    for (std::int64_t i = random_.below(3); i > 0; --i) {
      s.steps.insert(s.steps.begin() + random_.between(0, static_cast<std::int64_t>(s.steps.size())),
                     update());
    }
    for (std::int64_t i = random_.between(1, 3); i > 0; --i) s.evaluate.push_back({filter(), 2});
    return s;
  }

  UpdatePoint update() {
    UpdatePoint point;
    for (const EdgeId edge : network_.map.trainable()) {
      if (random_.one_in(2)) point.edges.push_back(edge);
    }
    return point;
  }

  Optimizer optimizer() {
    switch (random_.below(5)) {
      case 0: return Optimizer::sgd(0.5);
      case 1: return Optimizer::sgd(0.1, 0.9);
      case 2: return Optimizer::sgd(0.1, 0.9, true);
      case 3: return Optimizer::adam(0.01);
      default: return Optimizer::adamw(0.01, 0.1);
    }
  }

  Random random_;
  std::int64_t largest_;
  Network network_;
};

class ArgumentAuthor {
 public:
  ArgumentAuthor(const Network& network, std::uint64_t seed)
      : network_(network), random_(seed), coarse_(random_.one_in(2)) {
    const std::int64_t batch = random_.between(1, 33);
    const std::int64_t images =
        std::max<std::int64_t>(1, random_.between(0, 2) * batch + random_.between(1, batch));
    lengths_ = {
        {'B', batch}, {'M', images}, {'N', images + random_.below(4)}, {'T', (images + batch - 1) / batch}};
  }

  Arguments write(const Graph& graph) {
    Arguments arguments;
    for (const PatternDeclaration& p : graph.patterns()) {
      for (const auto& [id, edge] : network_.map.edges()) {
        if (to_string(id) == p.name) arguments.patterns.push_back(initial(id).pattern);
      }
    }
    for (std::size_t i = 0; i < graph.bindings().size(); ++i) {
      const BindingAttributes& binding = graph.binding(i);
      arguments.bindings.push_back(
          std::make_shared<const Tensor>(value(*role_named(binding.name), binding.type)));
    }
    return arguments;
  }

 private:
  Weight initial(EdgeId id) const {
    const Key key =
        child(key_of(network_.seed), network_.key_count(), network_.map.key_index(id), network_.rng);
    return initialise(network_.map.at(id).module, network_.map.units(id.sender),
                      network_.map.units(id.receiver), key, network_.rng, "test");
  }

  Shape shape_of(const Type& type) const {
    Shape shape;
    for (const Dim& d : type.dims) shape.push_back(d.is_symbolic() ? lengths_.at(d.symbol) : d.length);
    return shape;
  }

  Tensor integer(std::int64_t value) { return Tensor::scalar(static_cast<std::int32_t>(value)); }

  Tensor indices(const Shape& shape, std::int64_t bound) {
    Tensor t(DType::i32, shape);
    for (std::int32_t& v : t.data<std::int32_t>()) v = static_cast<std::int32_t>(random_.below(bound));
    return t;
  }

  /// Numbers of a declared kind; of two-valued labels one of each row is `a`.
  Tensor clamped(const Type& type) {
    const Shape shape = shape_of(type);
    if (type.elem == Elem::u8) {
      Tensor t(DType::u8, shape);
      for (std::uint8_t& v : t.data<std::uint8_t>()) v = static_cast<std::uint8_t>(random_.below(256));
      return t;
    }
    if (type.elem == Elem::tern) {
      Tensor t(DType::i8, shape);
      for (std::int8_t& v : t.data<std::int8_t>()) v = static_cast<std::int8_t>(random_.between(-1, 1));
      return t;
    }
    Tensor t(DType::f32, shape);
    for (float& v : t.data<float>()) v = type.elem == Elem::two ? type.b : random_.real(coarse_);
    for (std::int64_t row = 0; type.elem == Elem::two && row < shape[0]; ++row) {
      t.matrix<float>()(row, random_.below(shape[1])) = type.a;
    }
    return t;
  }

  Tensor weight(EdgeId id) {
    Tensor values = initial(id).values;
    if (!coarse_) return values;
    for (float& v : values.data<float>()) v = std::nearbyint(v * 4) / 4;
    return values;
  }

  /// Positive numbers: step scalars of any rule, moments, gates.
  Tensor positive(const Shape& shape, float largest) {
    Tensor t(DType::f32, shape);
    for (float& v : t.data<float>())
      v = largest * static_cast<float>(random_.between(random_.one_in(8) ? 0 : 1, 64)) / 64;
    return t;
  }

  Tensor margin(EdgeId id, const Shape& shape) const {
    Tensor t(DType::f32, shape);
    for (std::int64_t k = 0; k < shape[0]; ++k) {
      t.data<float>()[static_cast<std::size_t>(k)] =
          threshold_of(network_.map.at(id).module)->at(static_cast<std::size_t>(k));
    }
    return t;
  }

  Tensor value(const Role& role, const Type& type) {
    switch (role.kind) {
      case Role::Kind::iterations: return integer(random_.below(5));
      case Role::Kind::steps: return integer(lengths_.at('T'));
      case Role::Kind::batch: return integer(lengths_.at('B'));
      case Role::Kind::classes: return indices(shape_of(type), network_.map.units(network_.map.output()));
      case Role::Kind::order: return indices(shape_of(type), lengths_.at('N'));
      case Role::Kind::margin: return margin(role.edge, shape_of(type));
      case Role::Kind::weight: return weight(role.edge);
      case Role::Kind::moment: return positive(initial(role.edge).values.shape(), 0.01f);
      case Role::Kind::scalars: {
        // The last scalars of adam are its divisor's: not both zero.
        Tensor t = positive(shape_of(type), 0.05f);
        for (float& v : t.data<float>()) v = std::max(v, 0x1p-12f);
        return t;
      }
      case Role::Kind::gate: return clamped(type);
      case Role::Kind::inputs:
      case Role::Kind::input:
      case Role::Kind::label:
      case Role::Kind::code: return clamped(type);
      default: internal_error("no random value for {}", to_string(role));
    }
  }

  const Network& network_;
  Random random_;
  bool coarse_;
  std::map<char, std::int64_t> lengths_;
};

std::string describe(const Values& values) {
  switch (values.kind) {
    case Values::Kind::real: return "real";
    case Values::Kind::ternary: return "ternary";
    case Values::Kind::two_valued: return fmt::format("two-valued {} {}", values.a, values.b);
    case Values::Kind::bytes: return "bytes";
  }
  internal_error("unknown kind {}", static_cast<int>(values.kind));
}

}  // namespace

Network random_network(std::uint64_t seed, std::int64_t largest) {
  return NetworkAuthor(seed, largest).write();
}

std::string describe(const Network& network) {
  std::string text = fmt::format("input {}, label {}, F = {}, {} sweep, {} rule, update filter {}\n",
                                 describe(network.input), describe(network.label), network.fixed_bits,
                                 name_of(network.schedule.sweep),
                                 network.schedule.rule == UpdateRule::contrastive ? "contrastive" : "plain",
                                 name_of(network.schedule.update_filter));
  for (int buffer = 0; buffer < network.map.buffers(); ++buffer)
    text += fmt::format("{} ", network.map.units(buffer));
  text += "units\n";
  for (const auto& [id, edge] : network.map.edges()) {
    text += fmt::format("edge {}: {}", to_string(id), name_of(edge.module));
    if (is_trainable(edge.module)) text += fmt::format(", {}", name_of(network.optimizer.at(id).kind));
    text += "\n";
  }
  for (const ScheduleStep& step : network.schedule.steps) {
    const auto* phase = std::get_if<Phase>(&step);
    if (phase) text += fmt::format("phase {}\n", name_of(phase->filter));
    if (!phase) text += fmt::format("update of {} edges\n", std::get<UpdatePoint>(step).edges.size());
  }
  for (const Phase& phase : network.schedule.evaluate)
    text += fmt::format("evaluation phase {}\n", name_of(phase.filter));
  return text;
}

Arguments random_arguments(const Graph& graph, const Network& network, std::uint64_t seed) {
  return ArgumentAuthor(network, seed).write(graph);
}

}  // namespace relaxon::testing
