#include "tests/golden/record.hpp"

#include "core/error.hpp"
#include "core/fixed_point.hpp"
#include "core/math.hpp"
#include "passes/roles.hpp"
#include "tests/golden/tensors.hpp"

namespace relaxon::golden {
namespace {

Tensor field_in_f32(const Tensor& h, int fixed_bits) {
  if (h.dtype() == DType::f32) return h;
  Tensor f(DType::f32, h.shape());
  for (std::size_t i = 0; i < f.data<float>().size(); ++i) {
    f.data<float>()[i] = from_fixed(h.data<std::int64_t>()[i], fixed_bits);
  }
  return f;
}

/// Fields and, given the targets of each row, the mistakes that follow from them.
void record_fields(Record& record, const Network& network, const std::map<int, Tensor>& fields,
                   const std::map<int, Tensor>& targets) {
  for (const auto& [row, h] : fields) {
    record[fmt::format("fields/{}", row)] = field_in_f32(h, network.fixed_bits);
    if (h.dtype() == DType::i64) record[fmt::format("fields_i/{}", row)] = h;
  }
  for (const EdgeId edge : network.map.trainable()) {
    const bool ternary = edge.receiver != network.map.output() || network.label.kind == Values::Kind::ternary;
    record["mistakes/" + to_string(edge)] =
        mistakes(*threshold_of(network.map.at(edge).module), targets.at(edge.receiver), ternary,
                 fields.at(edge.receiver), network.fixed_bits);
  }
}

void record_weights(Record& record, const Session& session) {
  for (const EdgeId edge : session.network().map.trainable()) {
    record["params/" + to_string(edge)] = to_dense(session.weight(edge));
  }
}

Tensor dense(const Session& session, EdgeId edge, const Tensor& values) {
  return to_dense({as_f32(values), session.weight(edge).pattern});
}

/// S after the last phase minus S after the first, both float32.
void subtract(Gradients& last, const Gradients& first) {
  for (auto& [edge, s] : last.correlations) {
    const auto other = first.correlations.at(edge).data<float>();
    for (std::size_t i = 0; i < other.size(); ++i) s.data<float>()[i] = s.data<float>()[i] - other[i];
  }
}

}  // namespace

Tensor mistakes(const PerOutput& threshold, const Tensor& t, bool ternary_targets, const Tensor& h,
                int fixed_bits) {
  const Tensor target = as_f32(t);
  const Tensor field = field_in_f32(h, fixed_bits);
  Tensor m(DType::u8, h.shape());
  const auto units = static_cast<std::size_t>(h.size() / h.shape()[0]);
  for (std::size_t i = 0; i < m.data<std::uint8_t>().size(); ++i) {
    const float sign = target.data<float>()[i];
    const float bound = threshold.at(i % units);
    const bool wrong = ternary_targets && h.dtype() == DType::i64
                           ? static_cast<std::int64_t>(sign) * h.data<std::int64_t>()[i] <=
                                 threshold_to_fixed(bound, fixed_bits)
                           : sign * field.data<float>()[i] <= bound;
    m.data<std::uint8_t>()[i] = wrong ? 1 : 0;
  }
  return m;
}

Record record_schedule(Session& session, const Batch& batch) {
  const Network& network = session.network();
  Record record;
  std::map<int, Tensor> fields;
  // Targets of the update: the labels, and of hidden rows the last state, zeros before any sweep.
  std::map<int, Tensor> targets;
  const State start = session.init(batch.x, batch.y);
  for (int row = 1; row < start.buffers(); ++row) targets[row] = start.buffer(row);
  session.train_batch(
      batch.x, batch.y, batch.gate,
      [&](std::string_view name, const std::vector<std::int64_t>& iterations, const Tensor& value) {
        if (name.starts_with("state/")) {
          const std::size_t slash = name.rfind('/');
          const std::string row(name.substr(slash + 1)), phase(name.substr(6, slash - 6));
          record[fmt::format("states/{}/{}/{}", phase, iterations.back(), row)] = value;
          targets[std::stoi(row)] = value;
          return;
        }
        const std::optional<Role> role = role_named(name);
        if (role && role->kind == Role::Kind::field) fields[role->index] = value;
        if (role && role->kind == Role::Kind::correlation) {
          record["S/" + to_string(role->edge)] = dense(session, role->edge, value);
        }
      });
  record_fields(record, network, fields, targets);
  record_weights(record, session);
  return record;
}

Record record_loop(Session& session, const Batch& batch) {
  const Network& network = session.network();
  const bool contrastive = network.schedule.rule == UpdateRule::contrastive;
  Record record;
  State state = session.init(batch.x, batch.y);
  const BackwardOptions options{.filter = std::nullopt, .gate = batch.gate, .targets = nullptr};
  Gradients first;
  const std::vector<Phase> phases = network.schedule.phases();
  for (std::size_t p = 0; p < phases.size(); ++p) {
    for (std::int64_t t = 0; t < phases[p].iterations; ++t) {
      session.sweep(state, phases[p].filter);
      for (int row = 1; row < network.map.output(); ++row) {
        record[fmt::format("states/{}/{}/{}", p, t, row)] = state.buffer(row);
      }
    }
    if (contrastive && p == 0) first = session.backward(state, options);
  }
  Gradients gradients = session.backward(state, options);
  std::map<int, Tensor> targets;
  for (int row = 1; row < state.buffers(); ++row) targets[row] = state.buffer(row);
  record_fields(record, network, gradients.fields, targets);
  if (contrastive) subtract(gradients, first);
  for (const EdgeId edge : network.map.trainable()) {
    record["S/" + to_string(edge)] = dense(session, edge, gradients.correlations.at(edge));
    record["update/" + to_string(edge)] = dense(session, edge, session.pseudo_gradient(gradients, edge));
  }
  session.apply(gradients);
  record_weights(record, session);
  return record;
}

Tensor evaluate_by_hand(Session& session, const Tensor& x) {
  State state = session.init(x);
  for (const Phase& phase : session.network().schedule.evaluate)
    session.sweep(state, phase.filter, phase.iterations);
  session.predict(state);
  return state.buffer(session.network().map.output());
}

}  // namespace relaxon::golden
