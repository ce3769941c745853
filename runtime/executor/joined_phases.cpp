#include "runtime/executor/joined_phases.hpp"

#include <algorithm>

namespace relaxon::executor {

bool JoinedPhases::joins(Sender::Kind u, Errors::Kind v, std::int64_t batch) {
  constexpr std::int64_t exact = std::int64_t{1} << 24;
  if (v != Errors::Kind::signs) return false;
  return (u == Sender::Kind::signs && batch <= exact) || (u == Sender::Kind::bytes && batch * 255 <= exact);
}

void JoinedPhases::join(const CorrelationSides& from, const CorrelationSides& less, bool same_senders,
                        std::int64_t senders, std::int64_t receivers, std::int64_t batch) {
  own_panels_ = panels_of(batch);
  shift_ = batch <= lanes / 2 ? static_cast<int>(lanes / 2) : 0;
  panels_ = shift_ > 0 ? own_panels_ : 2 * own_panels_;
  sides_ = from;
  sides_.v.signs = join(from.v.signs, {less.v.signs.minus, less.v.signs.plus}, receivers, v_);
  if (same_senders) drop_equal(receivers);
  if (from.u.kind == Sender::Kind::signs) {
    sides_.u.signs = join(from.u.signs, less.u.signs, senders, u_);
    return;
  }
  const auto n = static_cast<std::size_t>(own_panels_ * senders * lanes);
  bytes_.resize(2 * n);
  std::copy_n(from.u.bytes, n, bytes_.data());
  if (shift_ == 0) std::copy_n(less.u.bytes, n, bytes_.data() + n);
  for (std::size_t i = 0; shift_ > 0 && i < n; i += lanes)
    std::copy_n(less.u.bytes + i, lanes / 2, bytes_.data() + i + lanes / 2);
  sides_.u.bytes = bytes_.data();
}

SignsIn JoinedPhases::join(SignsIn from, SignsIn less, std::int64_t units, std::vector<Mask>& to) const {
  const auto n = static_cast<std::size_t>(own_panels_ * units),
             each = static_cast<std::size_t>(panels_ * units);
  to.resize(2 * each);
  const auto plane = [&](const Mask* a, const Mask* b, Mask* joined) {
    for (std::size_t i = 0; i < n; ++i)
      joined[i] = static_cast<Mask>(a[i] | (shift_ > 0 ? b[i] << shift_ : 0));
    if (shift_ == 0) std::copy_n(b, n, joined + n);
  };
  plane(from.plus, less.plus, to.data());
  plane(from.minus, less.minus, to.data() + each);
  return {to.data(), to.data() + each};
}

/// Of one sender's two products of a sample with the same error nothing is left.
void JoinedPhases::drop_equal(std::int64_t receivers) {
  const auto n = static_cast<std::size_t>(own_panels_ * receivers);
  Mask *plus = v_.data(), *minus = v_.data() + v_.size() / 2;
  for (std::size_t i = 0; i < n; ++i) {
    const std::size_t other = shift_ > 0 ? i : i + n;
    const unsigned half = shift_ > 0 ? 0xffu : 0xffffu;
    const unsigned equal = ((plus[i] & minus[other] >> shift_) | (minus[i] & plus[other] >> shift_)) & half;
    const auto keep = static_cast<Mask>(~(equal | (shift_ > 0 ? equal << shift_ : 0)));
    plus[i] &= keep;
    minus[i] &= keep;
    if (shift_ > 0) continue;
    plus[other] &= keep;
    minus[other] &= keep;
  }
}

}  // namespace relaxon::executor
