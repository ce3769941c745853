#include "runtime/executor/followed_samples.hpp"

#include <cstring>

#include "passes/plan/followed_samples.hpp"

namespace relaxon::executor {
namespace {

/// Where sample b's number of unit 0 lies among panels of so many units.
std::int64_t first_of(std::int64_t b, std::int64_t units) { return b / lanes * units * lanes + b % lanes; }

}  // namespace

FollowedSamples::FollowedSamples(const Step& step)
    : x_(step.inputs[0]), w_(step.inputs[1]), h_(step.outputs[0]), seen_(followed_senders(step)) {}

void FollowedSamples::prepare(Context& c) {
  moved_.clear();
  all_ = !is_known(c);
  if (!all_) {
    find_moved(c);
    all_ = panels_of(count()) == c.frame.panels;
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
  const auto floats = [&](std::int64_t units) {
    return static_cast<std::size_t>(panels_of(count()) * units * lanes);
  };
  if (senders_.size() < floats(x.units)) senders_.resize(floats(x.units));
  if (messages_.size() < floats(c.place(h_).units)) messages_.resize(floats(c.place(h_).units));
  for (std::int64_t i = 0; i < count(); ++i) {
    const std::int64_t at = first_of(moved_[static_cast<std::size_t>(i)], x.units);
    float* to = senders_.data() + first_of(i, x.units);
    for (std::int64_t j = 0; j < x.units * lanes; j += lanes) to[j] = seen[at + j] = from[at + j];
  }
}

void FollowedSamples::unpack(Context& c, ThreadPart part) {
  const Place& h = c.place(h_);
  const Units units = units_of(h.units, part);
  for (std::int64_t i = 0; i < count(); ++i) {
    const float* from = messages_.data() + first_of(i, h.units);
    float* to = h.as<float>() + first_of(moved_[static_cast<std::size_t>(i)], h.units);
    for (std::int64_t k = units.begin * lanes; k < units.end * lanes; k += lanes) to[k] = from[k];
  }
}

}  // namespace relaxon::executor
