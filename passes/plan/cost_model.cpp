#include "passes/plan/cost_model.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.hpp"
#include "passes/plan/followed_samples.hpp"
#include "passes/plan/kept_weights.hpp"
#include "passes/plan/partial_rows.hpp"

namespace relaxon {
namespace {

constexpr double panel = 16;          // samples of a panel
constexpr double unit_block = 64;     // units that threads don't share
constexpr double few_receivers = 16;  // of dense messages that are summed by lane

double ceil_to(double n, double unit) { return std::ceil(n / unit) * unit; }

bool is_table(const Type& type) {
  return std::any_of(type.dims.begin(), type.dims.end(),
                     [](const Dim& d) { return d.is_symbolic() && d != batch_dim; });
}

/// The steps of a batch: the body of the loop over batches, or all of them.
const std::vector<Step>& batch_steps(const Plan& plan) {
  const auto loop = std::find_if(plan.steps.begin(), plan.steps.end(),
                                 [](const Step& step) { return step.kernel == Kernel::loop; });
  return loop == plan.steps.end() ? plan.steps : loop->body;
}

}  // namespace

/// Nanoseconds of one step.
class StepTime {
 public:
  StepTime(const CostModel& model, const Step& step)
      : plan_(model.plan_),
        step_(step),
        sizes_(model.sizes_),
        target_(model.target_),
        working_set_(model.working_set_),
        shuffled_(model.shuffled_),
        samples_(static_cast<double>(sizes_.batch)),
        lanes_(ceil_to(samples_, panel)),
        floats_(target_.vector_floats()) {}

  /// What doesn't get less where threads share the step: being called, looking for changes.
  double alone(const StepRates& rates) const {
    constexpr double call = 25;
    if (step_.kernel == Kernel::follow || step_.kernel == Kernel::advance) return call + scan_ns();
    if (step_.kernel == Kernel::zero) return call;  // reads nothing
    return call + misses() / std::max(rates.runs, 1.0);
  }

  double work(const StepRates& rates) const {
    switch (step_.kernel) {
      case Kernel::zero: return slot_bytes(step_.outputs[0]) / weight_rate();
      case Kernel::copy:
      case Kernel::load:
      case Kernel::store:
        return 2 * slot_bytes(step_.outputs[0]) / rate_of(step_.outputs[0], target_.l2_rate);
      case Kernel::turn: return cycles(0.4 * values(out()));
      case Kernel::slice: return cycles(100 + samples_) + 2 * misses();
      case Kernel::take_row: return cycles(120);
      case Kernel::gather_index: return cycles(300 + 2 * samples_) + (shuffled_ ? 1.5 * target_.latency : 0);
      case Kernel::gather: return gather();
      case Kernel::quantise:
        if (step_.kept) return 0;
        return entries(0) * std::max(4 / weight_rate(), 8 / (0.8 * target_.l2_rate));
      case Kernel::exact: return whole(1);
      case Kernel::real:
        if (followed_senders(step_).index < 0) return real();
        return comparison() + rates.moving * (real() + 2 * comparison());
      case Kernel::advance:
      case Kernel::follow: return carried(rates);
      case Kernel::to_fields:
      case Kernel::affine: return 4 * values(out()) / 0.8 * (1 / target_.l2_rate + 1 / weight_rate());
      case Kernel::to_reals:
        return cycles((by_sample(plan_.slot(step_.inputs[0]).storage) ? 16 : 3) * values(out()));
      case Kernel::sum: return sum(0.4);
      case Kernel::sign: return sum(0.12);
      case Kernel::margin: return margin();
      case Kernel::correlate: return correlate(rates);
      case Kernel::subtract: return 12 * entries(0) / (0.8 * target_.l2_rate);
      case Kernel::apply: return apply();
      case Kernel::update: return update(rates);
      case Kernel::hits: return cycles(150 + 1.5 * values(type(step_.inputs[1])));
      case Kernel::scan:
      case Kernel::loop: return iterations(rates);
      case Kernel::probe: return 2 * slot_bytes(step_.inputs[0]) / target_.l3_rate;
      case Kernel::reference: return cycles(500 + 3 * cost_of(plan_, step_, sizes_).flops);
    }
    internal_error("unknown kernel {}", static_cast<int>(step_.kernel));
  }

  CostModel::Follow follow() const {
    const double scale = by_columns(3) ? lanes_ / panel : samples_;
    constexpr double usual_together = 1.2;  // where so many change that the whole comes near
    return {whole(3), scan_ns(), sender(usual_together), scale, senders(3)};
  }

  /// The largest part of the step's units that one of so many threads gets.
  double share(int threads) const {
    if ((step_.kernel == Kernel::update && !by_columns(0)) || is_dense_message(plan_, step_))
      return 1.0 / threads;
    const double blocks = std::ceil(static_cast<double>(units()) / unit_block);
    return std::ceil(blocks / threads) / blocks;
  }

  /// A real-valued message's senders beside those of the message before.
  double comparison() const {
    const double bytes = 8 * senders(1) * lanes_;
    return bytes / std::min(target_.l2_rate, target_.rate(bytes));
  }

  /// What reading the other threads' part of a field adds, shared as well.
  double partial(int threads) const {
    if (!is_dense_message(plan_, step_)) return 0;
    return (threads - 1) * 4 * values(out()) / threads / target_.l3_rate;
  }

 private:
  const Type& type(SlotId id) const { return plan_.slot(id).type; }
  const Type& out() const { return type(step_.outputs.at(0)); }
  Storage storage(std::size_t i) const { return plan_.slot(step_.inputs.at(i)).storage; }
  bool by_columns(std::size_t i) const {
    return storage(i) == Storage::columns || storage(i) == Storage::columns_fixed;
  }
  double slot_bytes(SlotId id) const { return bytes_of(plan_.slot(id), sizes_); }
  std::int64_t units() const {
    const Type& t =
        step_.kernel == Kernel::quantise || step_.kernel == Kernel::update ? type(step_.inputs[0]) : out();
    return t.entries.kind == Entries::Kind::sparse || t.rank() < 2 ? t.dims.back().length : t.units();
  }

  double cycles(double n) const { return n / target_.clock; }
  /// Cycles of Zen 4 in which vector operations are what takes time: fewer on a core that does more of them
  /// in one.
  double vector_cycles(double n) const {
    const double zen4 = 2 * panel * target_.clock / target_.adds;  // 2 additions of 16 lanes a cycle there
    return cycles(n * (0.1 + 0.9 * std::min(zen4, 1.0)));
  }
  /// Bytes per ns of rows that are near, picked one by one: a core reads ahead where they follow one another,
  /// which takes as many loads again.
  double picked_rate() const { return 1.8 * target_.l1_rate; }
  double adds(double registers) const { return registers * floats_ / target_.adds; }
  double fmas(double registers) const { return registers * floats_ / target_.fmas; }
  /// Registers of lanes in a panel, of receivers in a row.
  double strips() const { return panel / floats_; }
  double panels() const { return lanes_ / panel; }
  /// Panels, where two of them share what a message through a sparse weight loads of a connection, and bytes
  /// lie side by side.
  double panels_by_columns() const {
    const double two_together = storage(0) == Storage::bytes ? 1.3 : 1.55;
    const double pairs = target_.isa == Isa::avx512 ? std::floor(panels() / 2) : 0;
    return pairs * two_together + (panels() - 2 * pairs);
  }

  /// Numbers of a value, of every lane of its panels.
  double values(const Type& t) const { return static_cast<double>(t.units()) * lanes_; }

  /// Bytes per ns at which a slot arrives or goes, at most `most`.
  double rate_of(SlotId id, double most) const { return std::min(most, target_.rate(slot_bytes(id))); }
  /// The same of weights: everything else of the batch comes between two uses.
  double weight_rate() const { return std::min(target_.l2_rate, target_.rate(working_set_)); }

  /// A step's first run finds neither its code nor its operands where the last batch left them.
  double misses() const {
    if (working_set_ <= static_cast<double>(target_.l2)) return 0;
    return (working_set_ <= static_cast<double>(target_.l3) ? 0.25 : 2.5) * target_.latency;
  }

  double entries(std::size_t i) const {
    const Type& t = type(step_.inputs.at(i));
    if (by_columns(i)) return pattern_entries(t);
    return senders(i) * ceil_to(receivers(i), panel);
  }
  double pattern_entries(const Type& t) const {
    return static_cast<double>(sizes_.entries.at(static_cast<std::size_t>(t.entries.pattern.index)));
  }
  double senders(std::size_t i) const {
    return static_cast<double>(type(step_.inputs.at(i)).dims.at(0).length);
  }
  double receivers(std::size_t i) const {
    return static_cast<double>(type(step_.inputs.at(i)).dims.at(1).length);
  }

  double gather() const {
    const double n = values(out());
    // Rows that nobody fetches ahead.
    const double rows = shuffled_ && is_table(type(step_.inputs[0])) ? samples_ * target_.latency / 2 : 0;
    const double table = is_table(type(step_.inputs[0])) ? 0 : slot_bytes(step_.inputs[0]) / weight_rate();
    switch (plan_.slot(step_.outputs[0]).storage) {
      case Storage::bytes: return rows + cycles(0.7 * n);
      case Storage::signs: return rows + cycles(300 + n);
      case Storage::pair: return rows + cycles(800 + 3 * n);
      case Storage::partial_rows:
      case Storage::field_rows: return rows + table + cycles(0.5 * n);
      case Storage::fields: return rows + table + vector_cycles(1.3 * n);
      default: return rows + cycles(2 * n);
    }
  }

  /// Looking for senders that differ.
  double scan_ns() const { return cycles(200 + senders(3) * panels()); }

  /// The connections of a message through the sparse weight of input i, without what each column adds.
  double column_entries(std::size_t i) const {
    return vector_cycles(2.2 * entries(i) * panels_by_columns() * strips());
  }

  /// An exact message of +-1 senders through the weight of input i, every sender.
  double whole(std::size_t i) const {
    const double d = senders(i), k = receivers(i);
    if (by_columns(i)) return column_entries(i) + cycles(7 * k * panels_by_columns() * strips());
    if (k <= few_receivers) return vector_cycles(1.2 * d * ceil_to(k, 4) * panels() * strips());
    // Each sample adds the rows of the half of the senders that is +1; once all rows are added up.
    const double registers = ceil_to(k, panel) / floats_;
    const double added = (samples_ * d / 2 + panels() * d) * registers;
    const double fetched = 4 * d * ceil_to(k, panel);
    const double arrival = fetched > static_cast<double>(target_.l2) / 2 ? fetched / weight_rate() : 0;
    const double order = cycles(1000 * panels());  // of a panel's samples, so that neighbours are alike
    return order + std::max({adds(added), added * 4 * floats_ / picked_rate(), arrival});
  }

  /// What one changed sender costs: of a sample, or of a panel in which `together` samples change at once.
  double sender(double together) const {
    if (by_columns(3)) {
      // Fields and q of an entry lie anywhere. Few lanes move one at a time, more of them together.
      const double moved = vector_cycles(6.5 * std::min(together, 1.7)) + 64 / weight_rate();
      return cycles(30) + entries(3) / senders(3) * moved;  // nothing foresees how many entries there are
    }
    const double row = 4 * ceil_to(receivers(3), panel);
    // Rows that were fetched for another sample or iteration are still near.
    const double far = std::min(target_.l2_rate, target_.rate(row * senders(3)));
    const double arrival = row / 2 * (1 / target_.l2_rate + 1 / far);
    return cycles(15) + std::max(adds(row / 4 / floats_), row / picked_rate()) + arrival;
  }

  double carried(const StepRates& rates) const {
    const double changed = rates.changed * samples_ * senders(3);
    const double panel_changed = std::max(rates.panel_changed * panels() * senders(3), changed / panel);
    const double count = by_columns(3) ? panel_changed : changed;
    const double together = panel_changed > 0 ? changed / panel_changed : 1;
    return rates.whole * whole(3) + (1 - rates.whole) * count * sender(std::max(together, 1.0));
  }

  double real() const {
    const double k = receivers(1);
    if (by_columns(1)) return column_entries(1) + cycles(6.5 * k * panels() * strips());
    const double n = entries(1) * panels() * strips();
    const double fetched = 4 * entries(1) / weight_rate();
    const double numbers = 4 * senders(1) * lanes_;  // read once for every 16 receivers
    return fmas(n) + fetched + numbers * std::ceil(k / 16) / target_.rate(numbers);
  }

  std::size_t messages() const {
    std::size_t count = 0;
    for (const SlotId id : step_.inputs) {
      const Storage own = plan_.slot(id).storage;
      if (holds_fields(own))
        count += own == Storage::partial_rows ? static_cast<std::size_t>(plan_.threads) : 1;
    }
    return count;
  }
  bool any_by_sample() const {
    return std::any_of(step_.inputs.begin(), step_.inputs.end(),
                       [&](SlotId id) { return by_sample(plan_.slot(id).storage); });
  }

  double messages_by_lane() const {
    return static_cast<double>(std::count_if(step_.inputs.begin(), step_.inputs.end(), [&](SlotId id) {
      return plan_.slot(id).storage == Storage::fields;
    }));
  }

  /// Messages added up, `rest` cycles a value for what becomes of them.
  double sum(double rest) const {
    const double n = values(out()), m = static_cast<double>(messages());
    if (any_by_sample()) {
      // Those by lane are turned on the way.
      return vector_cycles((rest + 0.15 * m + 0.3 * messages_by_lane()) * n * 16 / floats_);
    }
    return std::max(cycles(0.1 * m * n * 16 / floats_),
                    4 * m * n / std::min(target_.l2_rate, target_.rate(4 * m * n)));
  }
  double margin() const {
    const bool pair = plan_.slot(step_.outputs[0]).storage == Storage::pair;
    const double own = pair ? 2 * values(out()) : 0.4 * values(out());
    return vector_cycles(own) + sum(0.3);
  }

  /// Cycles that a register of S takes.
  double correlation_cycles(std::size_t u) const {
    const Storage sender = storage(u), error = storage(u + 1);
    if (sender == Storage::reals || error == Storage::reals) return 40 * panels();
    const bool pair = sender == Storage::pair || error == Storage::pair;
    if (sender == Storage::bytes) return (pair ? 40 : 21) * panels();
    return (pair ? 12 : 4) * panels() * (target_.isa == Isa::avx512 ? 1 : 2);
  }
  double step_fmas() const {
    switch (std::get<ApplyAttributes>(step_.attributes).rule) {
      case ApplyRule::sgd: return 5;
      case ApplyRule::momentum: return 8;
      case ApplyRule::nesterov: return 10;
      case ApplyRule::adam: return 25;
      case ApplyRule::adamw: return 28;
    }
    return 25;
  }
  std::size_t moments() const {
    return static_cast<std::size_t>(moments_of(std::get<ApplyAttributes>(step_.attributes).rule));
  }
  bool keeps_fixed() const { return kept_by(step_).index >= 0; }
  /// Weights, moments and q, there and back.
  double parameters_ns(double share) const {
    const double arrays = static_cast<double>(moments() + 1) + (keeps_fixed() ? 1 : 0);
    return share * 4 * arrays * entries(0) / weight_rate();
  }

  double apply() const {
    return std::max(fmas(step_fmas() * entries(0) / floats_), parameters_ns(1)) +
           4 * entries(0) / weight_rate();
  }

  /// Correlations that S of an update is made of.
  double correlations() const { return static_cast<double>(correlations_of(step_).size()); }

  double update(const StepRates& rates) const {
    const std::size_t u = moments() + 1;
    if (by_columns(0)) return update_columns(rates, u);
    const double rows = senders(0), registers = ceil_to(receivers(0), panel) / floats_;
    const bool in_registers =
        storage(u) == Storage::signs && storage(u + 1) != Storage::reals && correlations() * panels() <= 2;
    const double correlation = correlations() * correlation_cycles(u), fixed = keeps_fixed() ? 3 : 0;
    const double step = rows * registers * (vector_cycles(correlation) + fmas(step_fmas() + fixed));
    return std::max(step, parameters_ns(1)) + cycles(rows * (in_registers ? 12 : 70));
  }

  /// Columns without an error only decay; the others are put together entry by entry.
  double update_columns(const StepRates& rates, std::size_t u) const {
    const double columns = receivers(0), erring = rates.erring * columns;
    const double registers = std::ceil(entries(0) / columns / floats_);
    const double gathered = storage(u) == Storage::bytes ? 26 : 38;
    const double each =
        vector_cycles(correlations() * (gathered * panels() + correlation_cycles(u)) * floats_ / 16) +
        fmas(step_fmas());
    const bool moves = moments() > 0;
    const double silent = (1 - rates.erring) * entries(0);
    const double decay = moves ? fmas(step_fmas() * silent / floats_) : 0;
    return erring * (cycles(50) + registers * each) + cycles(3 * columns) +
           std::max(decay, 2 * parameters_ns(1 - rates.erring));
  }

  double correlate(const StepRates& rates) const {
    const Type& s = out();
    const bool sparse = plan_.slot(step_.outputs[0]).storage == Storage::columns;
    const double n = sparse ? pattern_entries(s)
                            : static_cast<double>(s.dims.at(0).length) *
                                  ceil_to(static_cast<double>(s.dims.at(1).length), panel);
    const double gathered = sparse ? 38 * rates.erring : 0;
    return n / floats_ * vector_cycles(correlation_cycles(0) + gathered) + 4 * n / weight_rate();
  }

  /// What a scan does itself: carries that start elsewhere, what each iteration leaves, whether it changed.
  double iterations(const StepRates& rates) const {
    double ns = cycles(100) * rates.iterations;
    const auto moved = [&](SlotId from, SlotId to) {
      return from == to ? 0 : 2 * slot_bytes(to) / std::min(target_.l2_rate, target_.rate(slot_bytes(to)));
    };
    for (std::size_t c = 0; c < step_.outputs.size(); ++c) {
      // Nobody has touched a start since it was made, mostly in the batch before.
      if (step_.inputs[c + 1] != step_.outputs[c])
        ns += slot_bytes(step_.outputs[c]) * (1 / target_.l2_rate + 1 / weight_rate());
      // States that change are compared, too.
      ns += 2 * rates.iterations * moved(step_.yielded[c], step_.outputs[c]);
    }
    return ns;
  }

  const Plan& plan_;
  const Step& step_;
  const PlanSizes& sizes_;
  const Target& target_;
  double working_set_;
  bool shuffled_;
  double samples_, lanes_, floats_;
};

std::vector<StepRates> default_rates(const Plan& plan,
                                     const std::map<std::string, std::int64_t>& iterations) {
  std::vector<StepRates> all;
  std::size_t scans = 0;
  double runs = 1, changed = 0, whole = 0, moving = 1;
  const auto visit = [&](const auto& self, const std::vector<Step>& steps) -> void {
    for (const Step& step : steps) {
      const std::size_t own = all.size();
      all.push_back({.runs = runs, .moving = moving});
      if (step.kernel == Kernel::follow || step.kernel == Kernel::advance) {
        all[own].changed = changed;
        all[own].panel_changed = 1 - std::pow(1 - changed, panel);
        if (step.kernel == Kernel::follow) all[own].whole = whole;
      }
      if (step.kernel == Kernel::loop) scans = 0;
      if (step.kernel == Kernel::scan) {
        constexpr double settled[] = {6, 5, 3};
        const double outside = runs;
        constexpr double moves[] = {0.6, 0.4, 0.1};
        moving = moves[std::min<std::size_t>(scans, 2)];
        runs = settled[std::min<std::size_t>(scans, 2)];
        const auto known = iterations.find(plan.slot(step.inputs.at(0)).name);
        if (known != iterations.end()) runs = std::min(runs, static_cast<double>(known->second));
        changed = scans < 2 ? 0.017 : 0.0005;
        whole = scans == 0 && runs > 0 ? 1 / runs : 0;
        all[own].iterations = runs;
        runs *= outside;
        ++scans;
        self(self, step.body);
        runs = outside;
        moving = 1;
      } else {
        self(self, step.body);
      }
    }
  };
  visit(visit, plan.steps);
  return all;
}

CostModel::CostModel(const Plan& plan, PlanSizes sizes, Target target)
    : plan_(plan), sizes_(std::move(sizes)), target_(target) {
  std::set<SlotId> seen;
  for_each_step(batch_steps(plan), [&](const Step& step, int) {
    shuffled_ = shuffled_ || step.kernel == Kernel::update || step.kernel == Kernel::apply;
    for (const std::vector<SlotId>* slots : {&step.inputs, &step.outputs}) {
      for (const SlotId id : *slots) {
        if (!is_table(plan.slot(id).type) && seen.insert(id).second)
          working_set_ += bytes_of(plan.slot(id), sizes_);
      }
    }
  });
}

double CostModel::run_us(const Step& step, const StepRates& rates) const {
  const StepTime time(*this, step);
  return (time.alone(rates) + time.work(rates)) / 1000;
}

double CostModel::shared_us(const Step& step, const StepRates& rates, int threads) const {
  const StepTime time(*this, step);
  const double barriers = step.kernel == Kernel::real ? 3 : 1;
  return (time.alone(rates) + time.work(rates) * time.share(threads) + time.partial(threads) +
          barriers * target_.barrier) /
         1000;
}

double CostModel::comparison_us(const Step& step) const { return StepTime(*this, step).comparison() / 1000; }

CostModel::Follow CostModel::follow(const Step& step) const {
  Follow f = StepTime(*this, step).follow();
  f.whole_us /= 1000;
  f.change_us /= 1000;
  f.sender_us /= 1000;
  return f;
}

std::int64_t CostModel::Follow::whole_from() const {
  return std::llround(std::clamp(whole_us / (sender_us * scale), 1.0, std::max(senders, 1.0)));
}

double batch_us(const Plan& plan, const PlanSizes& sizes, const Target& target) {
  const CostModel model(plan, sizes, target);
  const std::vector<StepRates> rates = default_rates(plan);
  double us = 0;
  std::size_t position = 0;
  for_each_step(plan.steps, [&](const Step& step, int) {
    const StepRates& own = rates.at(position++);
    us += own.runs * model.run_us(step, own);
  });
  return us;
}

}  // namespace relaxon
