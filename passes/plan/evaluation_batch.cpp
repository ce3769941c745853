#include "passes/plan/evaluation_batch.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "passes/plan/cost_model.hpp"

namespace relaxon {
namespace {

constexpr std::int64_t panel = 16;

/// What a batch of a plan costs, and how many bytes of states, numbers and fields matter at a time.
struct Batch {
  std::int64_t images;
  double us = 0, bytes = 0;
  double us_an_image() const { return us / static_cast<double>(images); }
};

bool has_batch_axis(const Type& type) {
  return std::find(type.dims.begin(), type.dims.end(), batch_dim) != type.dims.end();
}

Batch priced(const Graph& graph, PlanOptions options, std::int64_t images) {
  options.batch = images;
  const Plan plan = make_plan(graph, options);
  const PlanSizes sizes = sizes_of(plan, options);
  Batch batch{images, batch_us(plan, sizes, options.target)};
  std::int32_t steps = 0;
  for_each_step(plan.steps, [&](const Step&, int) { ++steps; });
  for (std::int32_t at = 0; at < steps; ++at) {
    double live = 0;
    for (const Slot& slot : plan.slots) {
      if (has_batch_axis(slot.type) && slot.first <= at && at <= slot.last) live += bytes_of(slot, sizes);
    }
    batch.bytes = std::max(batch.bytes, live);
  }
  return batch;
}

}  // namespace

EvaluationBatch evaluation_batch(const Graph& graph, const PlanOptions& options) {
  constexpr double worth_while = 0.95;  // the model can't be trusted with less
  // What doesn't fit into the second cache is read in order: a part of it costs less than weights that come
  // once more.
  const double room = 1.5 * static_cast<double>(options.target.l2);
  const Batch own = priced(graph, options, options.batch);
  Batch best = own;
  for (std::int64_t images = (options.batch / panel + 1) * panel; images <= most_evaluated_at_once;
       images = std::max(images + panel, images / panel * 2 * panel)) {
    const Batch next = priced(graph, options, images);
    if (next.bytes > room) break;
    if (next.us_an_image() < worth_while * best.us_an_image()) best = next;
  }
  if (best.images == own.images)
    return {own.images,
            fmt::format("no larger batch makes an image cheaper than {:.3g} us", own.us_an_image())};
  return {best.images,
          fmt::format("an image {:.3g} us, in batches of {} {:.3g} us; {:.0f} kB of it at a time",
                      best.us_an_image(), own.images, own.us_an_image(), best.bytes / 1000)};
}

std::int64_t shared_evaluation_batch(std::int64_t batch, std::int64_t least, std::int64_t images,
                                     int threads) {
  if (threads < 2) return batch;
  constexpr std::int64_t batches_each = 8;
  const std::int64_t most = images / (batches_each * threads) / panel * panel;
  return std::clamp(most, std::min(least, batch), batch);
}

}  // namespace relaxon
