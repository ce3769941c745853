// Kind "network": batches of training, then an evaluation, with tolerances or ("exact") bit for bit.
//
// Three sessions run side by side: one with probes, which shows every state and field; one without, which is
// what an optimising backend really runs; and a hand-written loop. They must agree to the last bit.
#include <algorithm>
#include <array>
#include <set>

#include "core/error.hpp"
#include "core/step_scalars.hpp"
#include "tests/golden/case.hpp"
#include "tests/golden/readers.hpp"
#include "tests/golden/record.hpp"
#include "tests/golden/weights.hpp"

namespace relaxon::golden {
namespace {

std::string first_part(const std::string& name) { return name.substr(0, name.find('/')); }

/// "params/3/1-0" -> "params/1-0" if it is of batch 3; else empty.
std::string without_batch(const std::string& name, std::int64_t batch) {
  const std::string prefix = first_part(name);
  const std::string start = fmt::format("{}/{}/", prefix, batch);
  return name.starts_with(start) ? prefix + "/" + name.substr(start.size()) : "";
}

std::string with_batch(const std::string& name, std::int64_t batch) {
  const std::string prefix = first_part(name);
  return fmt::format("{}/{}{}", prefix, batch, name.substr(prefix.size()));
}

class NetworkCase {
 public:
  NetworkCase(const Case& golden, Backend backend)
      : json_(golden.json()),
        tensors_(golden.tensors),
        network_(read_network(json_)),
        exact_(json_.flag("exact")),
        batches_(json_.at("batches").integer(0, 1'000'000)),
        probed_(start(backend)),
        plain_(start(backend)),
        by_hand_(start(backend)) {
    if (exact_) {
      for (const JsonValue& batch : json_.at("recorded").list())
        recorded_.insert(batch.integer(0, batches_ - 1));
    }
    check_names();
  }

  void run() {
    for (std::int64_t b = 0; b < batches_; ++b) {
      check_scalars(b);
      const Batch batch{tensors_.at(fmt::format("x/{}", b)), tensors_.at(fmt::format("y/{}", b)),
                        tensors_.find(fmt::format("gate/{}", b))};
      check(record_schedule(probed_, batch), b, false);
      plain_.train_batch(batch.x, batch.y, batch.gate);
      check_agreement(plain_, "without probes", b);
      check(record_loop(by_hand_, batch), b, true);
      check_agreement(by_hand_, "by a hand-written loop", b);
    }
    const Tensor& x = tensors_.at("eval/x");
    check_scores(probed_.evaluate(x));
    check_scores(plain_.evaluate(x));
    check_scores(evaluate_by_hand(by_hand_, x));
  }

 private:
  Session start(Backend backend) const {
    Session session(network_, {backend});
    const JsonValue params = json_.at("params");
    if (params.text() == "key") return session;
    if (params.text() != "given") params.refuse("key or given");
    for (const auto& [id, edge] : network_.map.edges()) {
      if (has_weight(edge.module)) give_weight(session, id);
    }
    return session;
  }

  /// Sets an edge's weight to the case's init/i-j, on the connections of mask/i-j (which are those that the
  /// edge's key draws).
  void give_weight(Session& session, EdgeId id) const {
    const Weight& drawn = session.weight(id);
    const Shape shape{drawn.senders(), drawn.receivers()};
    const std::string name = "init/" + to_string(id);
    const Tensor& matrix = tensors_.at(name, DType::f32, shape);
    if (!drawn.is_sparse()) return session.set_weight(id, matrix);
    PatternPtr pattern = drawn.pattern;
    const std::string mask_name = "mask/" + to_string(id);
    if (exact_ || tensors_.find(mask_name)) {
      const Tensor& mask = tensors_.at(mask_name, DType::boolean, shape);
      compare(mask_name, mask, mask_of(*pattern), exactly);
      pattern = pattern_of(mask_name, mask, pattern->fixed_diagonal);
    }
    const Weight weight = from_dense(matrix, pattern);
    compare(name + " on its mask", matrix, to_dense(weight), exactly);
    session.set_weight(id, weight);
  }

  /// A tensor that nothing reads and nothing is compared with is a case that isn't understood.
  void check_names() const {
    static constexpr std::array known{"x",      "y",        "gate", "init",   "mask",   "states",
                                      "fields", "fields_i", "S",    "update", "params", "mistakes"};
    static constexpr std::array evaluation{"eval/x", "eval/scores", "eval/pred"};
    for (const std::string& name : tensors_.names()) {
      const auto is_name = [&](const auto& list, const std::string& text) {
        return std::find(list.begin(), list.end(), text) != list.end();
      };
      if (!is_name(known, first_part(name)) && !is_name(evaluation, name))
        fail("tensor {}: unknown name", name);
    }
  }

  /// What a case holds of batch b.
  bool is_expected(const std::string& prefix, std::int64_t b, bool by_hand) const {
    if (!exact_) {
      return prefix == "states" || prefix == "fields" || prefix == "mistakes" || prefix == "params" ||
             (by_hand && prefix == "update");
    }
    if (prefix == "fields_i" || prefix == "mistakes") return true;
    return recorded_.contains(b) && (prefix == "states" || prefix == "S" || prefix == "params");
  }

  Tolerance tolerance_of(const std::string& prefix, const Tensor& got, const std::string& name,
                         const Record& record) const {
    if (exact_) return exactly;
    if (prefix == "states") return got.dtype() == DType::f32 ? Tolerance{.absolute = 1e-5} : exactly;
    if (prefix == "params" || prefix == "update") return close_weights;
    if (prefix != "fields") return exactly;
    const bool fixed = record.contains("fields_i" + name.substr(prefix.size()));
    return fixed ? close_fixed_fields : close_floats;
  }

  /// Both ways: what the case holds must have been recorded, and what was recorded the case must hold.
  void check(const Record& record, std::int64_t b, bool by_hand) const {
    for (const auto& [name, got] : record) {
      const std::string prefix = first_part(name);
      if (!is_expected(prefix, b, by_hand)) continue;
      const std::string full = with_batch(name, b);
      compare(full, tensors_.at(full), got, tolerance_of(prefix, got, name, record));
    }
    for (const std::string& full : tensors_.names()) {
      const std::string name = without_batch(full, b);
      if (!name.empty() && is_expected(first_part(name), b, by_hand) && !record.contains(name)) {
        fail("tensor {}: the network has no such value", full);
      }
    }
  }

  void check_agreement(const Session& other, std::string_view how, std::int64_t b) const {
    for (const EdgeId id : network_.map.trainable()) {
      const std::string name = fmt::format("params/{}/{} {}", b, to_string(id), how);
      compare(name, to_dense(probed_.weight(id)), to_dense(other.weight(id)), exactly);
    }
    if (other.digest() != probed_.digest()) {
      fail("digest after batch {}: expected {}, got {} {}", b, probed_.digest(), other.digest(), how);
    }
  }

  void check_scores(const Tensor& scores) const {
    compare("eval/scores", tensors_.at("eval/scores"), scores, exact_ ? exactly : close_fixed_fields);
    compare("eval/pred", tensors_.at("eval/pred"), first_maxima(scores), exactly);
  }

  UpdateSetting setting(EdgeId id, std::int64_t b) const {
    const Tensor* gate = tensors_.find(fmt::format("gate/{}", b));
    const bool bytes = id.sender == 0 && network_.input.kind == Values::Kind::bytes;
    const Tensor& x = tensors_.at(fmt::format("x/{}", b));
    if (x.shape().empty()) fail("tensor x/{}: expected a batch, got a scalar", b);
    return {x.shape()[0], network_.map.units(id.sender), bytes ? network_.input.scale : 1.0f,
            gate && gate->shape().empty() ? as_f32(*gate).data<float>()[0] : 1.0f};
  }

  /// The scalars of the step that batch b will do, where the case lists them.
  void check_scalars(std::int64_t b) const {
    const auto all = json_.find("scalars");
    const auto listed = all ? all->find(std::to_string(b)) : std::nullopt;
    if (!listed) return;
    static constexpr std::array<std::pair<std::string_view, float StepScalars::*>, 6> members{
        {{"alpha", &StepScalars::alpha},
         {"k", &StepScalars::k},
         {"beta", &StepScalars::beta},
         {"delta", &StepScalars::delta},
         {"a", &StepScalars::a},
         {"r", &StepScalars::r}}};
    for (const std::string& edge : listed->keys()) {
      const EdgeId id = read_edge_name(edge);
      const auto found = probed_.edges().find(id);
      if (found == probed_.edges().end()) fail("scalars.{}: edge {} has no weight", b, edge);
      const StepScalars scalars = step_scalars(network_.map.at(id).module, network_.optimizer.at(id),
                                               found->second.clock, setting(id, b));
      for (const auto& [name, member] : members) {
        const auto value = listed->at(edge).find(name);
        if (!value) continue;
        const auto expected = static_cast<float>(value->number());
        if (expected != scalars.*member) {
          fail("scalar {}/{}/{}: expected {}, got {}", b, edge, name, expected, scalars.*member);
        }
      }
    }
  }

  JsonValue json_;
  const Tensors& tensors_;
  Network network_;
  bool exact_;
  std::int64_t batches_;
  std::set<std::int64_t> recorded_;  // exact: the batches of which everything is given
  Session probed_, plain_, by_hand_;
};

}  // namespace

void run_network_case(const Case& golden, Backend backend) { NetworkCase(golden, backend).run(); }

}  // namespace relaxon::golden
