#include "runtime/executor/followed_samples.hpp"

#include <cstring>

#include "passes/plan/followed_samples.hpp"

namespace relaxon::executor {
namespace {

/// Where a sample's numbers lie: `step` apart.
struct Numbers {
  std::int64_t first, step;
};
Numbers in_panels(std::int64_t sample, std::int64_t units) {
  return {sample / lanes * units * lanes + sample % lanes, lanes};
}

/// As many floats at least.
void make_room(std::vector<float>& floats, std::int64_t count) {
  if (static_cast<std::int64_t>(floats.size()) < count) floats.resize(static_cast<std::size_t>(count));
}

}  // namespace

FollowedSamples::FollowedSamples(const Step& step)
    : x_(step.inputs[0]), w_(step.inputs[1]), h_(step.outputs[0]), seen_(followed_senders(step)) {}

void FollowedSamples::prepare(Context& c) {
  moved_.clear();
  rows_ = !c.place(w_).index;
  all_ = !is_known(c);
  if (!all_) {
    find_moved(c);
    all_ = rows_ ? count() * 8 > c.frame.batch * 7 : panels_of(count()) == c.frame.panels;
  }
  if (!all_) return pack(c);
  const Place& x = c.place(x_);
  std::memcpy(c.place(seen_).data, x.data, x.bytes(c.frame));
  run_ = c.frame.run;
  version_ = c.place(w_).version;
  panels_ = c.frame.panels;
}

/// Whether the message in its slot is of the weight as it stands and of senders that lie as they do now.
bool FollowedSamples::is_known(const Context& c) const {
  return run_ == c.frame.run && version_ == c.place(w_).version && panels_ == c.frame.panels;
}

void FollowedSamples::find_moved(const Context& c) {
  const Place& x = c.place(x_);
  const std::int64_t length = x.units * lanes;
  for (std::int64_t p = 0; p < c.frame.panels; ++p) {
    unsigned differ = c.kernels.differing_samples(x.as<float>() + p * length,
                                                  c.place(seen_).as<float>() + p * length, x.units) &
                      active_lanes(c.frame.batch, p);
    for (; differ != 0; differ &= differ - 1) moved_.push_back(p * lanes + __builtin_ctz(differ));
  }
}

void FollowedSamples::pack(Context& c) {
  const Place& x = c.place(x_);
  const float* from = x.as<float>();
  float* seen = c.place(seen_).as<float>();
  make_room(senders_, panels_of(count()) * lanes * x.units);
  make_room(messages_, panels_of(count()) * lanes * row_stride(c.place(h_).units));
  for (std::int64_t i = 0; i < count(); ++i) {
    const Numbers own = in_panels(moved_[static_cast<std::size_t>(i)], x.units);
    const Numbers packed = rows_ ? Numbers{i * x.units, 1} : in_panels(i, x.units);
    float* to = senders_.data() + packed.first;
    for (std::int64_t j = 0; j < x.units; ++j)
      to[j * packed.step] = seen[own.first + j * own.step] = from[own.first + j * own.step];
  }
}

void FollowedSamples::compute_rows(Context& c, ThreadPart part) {
  c.kernels.real_rows(part_of(c.place(w_).dense_weights(), part), senders_.data(), count(), messages_.data());
}

void FollowedSamples::unpack(Context& c, ThreadPart part) {
  const Place& h = c.place(h_);
  const Units units = units_of(h.units, part);
  for (std::int64_t i = 0; i < count(); ++i) {
    const Numbers packed = rows_ ? Numbers{i * row_stride(h.units), 1} : in_panels(i, h.units);
    const Numbers own = in_panels(moved_[static_cast<std::size_t>(i)], h.units);
    for (std::int64_t k = units.begin; k < units.end; ++k)
      h.as<float>()[own.first + k * own.step] =
          messages_[static_cast<std::size_t>(packed.first + k * packed.step)];
  }
}

}  // namespace relaxon::executor
