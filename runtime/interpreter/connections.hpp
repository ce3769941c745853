// Which sender element meets which weight entry on the way to which receiver element.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>

#include "core/pattern.hpp"
#include "core/tensor.hpp"
#include "ir/maps.hpp"

namespace relaxon::interpreter {

/// Position on an axis of `length` pixels that `at` stands for when it lies outside; nullopt: a zero.
inline std::optional<std::int64_t> padded_position(std::int64_t at, std::int64_t length, Padding padding) {
  if (at >= 0 && at < length) return at;
  switch (padding) {
    case Padding::edge: return std::clamp<std::int64_t>(at, 0, length - 1);
    case Padding::reflect: return at < 0 ? -at : 2 * (length - 1) - at;
    default: return std::nullopt;
  }
}

/// The sender pixel that tap `tap` of a (transposed) convolution reads for output pixel `out` of one axis.
inline std::optional<std::int64_t> tap_position(const MapAttributes& map, std::size_t axis, std::int64_t out,
                                                std::int64_t tap, std::int64_t kernel, std::int64_t length) {
  const std::int64_t pad = map.padding == Padding::none ? 0 : kernel / 2;
  if (map.kind == MapKind::conv) return padded_position(out * map.stride[axis] + tap - pad, length, map.padding);
  // Transposed: the padded sender stands kernel - 1 zeros away from the border.
  const std::int64_t at = out + tap * map.stride[0] - (kernel - 1);
  if (at < 0 || at >= length + 2 * pad) return std::nullopt;
  return padded_position(at - pad, length, map.padding);
}

template <class Visit>
void convolution_connections(const MapAttributes& map, const Shape& sender, const Shape& receiver,
                             const Shape& kernel, Visit&& visit) {
  const std::int64_t out_channels = kernel[3];
  const std::int64_t group_out = out_channels / map.groups;
  for (std::int64_t b = 0; b < receiver[0]; ++b) {
    for (std::int64_t y = 0; y < receiver[1]; ++y) {
      for (std::int64_t x = 0; x < receiver[2]; ++x) {
        const std::int64_t out = ((b * receiver[1] + y) * receiver[2] + x) * out_channels;
        for (std::int64_t ky = 0; ky < kernel[0]; ++ky) {
          for (std::int64_t kx = 0; kx < kernel[1]; ++kx) {
            const auto row = tap_position(map, 0, y, ky, kernel[0], sender[1]);
            const auto column = tap_position(map, 1, x, kx, kernel[1], sender[2]);
            if (!row || !column) continue;
            const std::int64_t in = ((b * sender[1] + *row) * sender[2] + *column) * sender[3];
            for (std::int64_t c = 0; c < kernel[2]; ++c) {
              const std::int64_t weight = ((ky * kernel[1] + kx) * kernel[2] + c) * out_channels;
              for (std::int64_t k = 0; k < out_channels; ++k) {
                visit(out + k, in + k / group_out * kernel[2] + c, weight + k);
              }
            }
          }
        }
      }
    }
  }
}

template <class Visit>
void dense_connections(const Shape& sender, const Shape& weight, const Pattern* pattern, Visit&& visit) {
  const std::int64_t d = weight[0];
  const std::int64_t K = weight[1];
  for (std::int64_t b = 0; b < sender[0]; ++b) {
    for (std::int64_t j = 0; j < d; ++j) {
      if (!pattern) {
        for (std::int64_t k = 0; k < K; ++k) visit(b * K + k, b * d + j, j * K + k);
        continue;
      }
      const auto begin = pattern->offsets[static_cast<std::size_t>(j)];
      const auto end = pattern->offsets[static_cast<std::size_t>(j) + 1];
      for (std::int64_t e = begin; e < end; ++e) {
        visit(b * K + pattern->receiver[static_cast<std::size_t>(e)], b * d + j, e);
      }
    }
  }
}

/// Calls visit(receiver element, sender element, weight entry) for every connection of a map: samples
/// ascending, then (for one receiver element) senders ascending; convolutions rows, columns, then kernel rows,
/// kernel columns, channels. Zeros of constant padding are left out.
template <class Visit>
void for_each_connection(const MapAttributes& map, const Shape& sender, const Shape& receiver, const Shape& weight,
                         const Pattern* pattern, Visit&& visit) {
  switch (map.kind) {
    case MapKind::dense: return dense_connections(sender, weight, pattern, visit);
    case MapKind::conv:
    case MapKind::convt: return convolution_connections(map, sender, receiver, weight, visit);
    case MapKind::diag:
      for (std::int64_t i = 0; i < count(sender); ++i) visit(i, i, weight.empty() ? 0 : i % weight[0]);
      return;
    case MapKind::repeat:
      for (std::int64_t i = 0; i < count(receiver); ++i) {
        const std::int64_t channel = i % receiver[3];
        const std::int64_t x = (i / receiver[3] % receiver[2] + map.crop[1]) / map.kernel[1];
        const std::int64_t y = (i / (receiver[3] * receiver[2]) % receiver[1] + map.crop[0]) / map.kernel[0];
        const std::int64_t b = i / (receiver[3] * receiver[2] * receiver[1]);
        visit(i, ((b * sender[1] + y) * sender[2] + x) * sender[3] + channel, 0);
      }
      return;
    case MapKind::broadcast:
      for (std::int64_t i = 0; i < count(receiver); ++i) {
        std::int64_t rest = i, in = 0, stride = 1;
        std::size_t axis_in = sender.size();
        for (std::size_t axis = receiver.size(); axis-- > 0;) {
          const std::int64_t at = rest % receiver[axis];
          rest /= receiver[axis];
          if (std::find(map.axes.begin(), map.axes.end(), static_cast<std::int64_t>(axis)) != map.axes.end()) continue;
          --axis_in;
          in += (sender[axis_in] == 1 ? 0 : at) * stride;
          stride *= sender[axis_in];
        }
        visit(i, in, 0);
      }
      return;
  }
}

}  // namespace relaxon::interpreter
