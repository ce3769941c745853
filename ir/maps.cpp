#include "ir/maps.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace relaxon {
namespace {

void check_image(const Dims& sender) {
  if (sender.size() != 4 || sender[1].is_symbolic() || sender[2].is_symbolic() || sender[3].is_symbolic()) {
    fail("a sender of shape [B,H,W,C] is needed, got {}", to_string(sender));
  }
}

void check_positive(std::array<std::int64_t, 2> pair, std::string_view what) {
  if (pair[0] < 1 || pair[1] < 1) fail("{} is {}x{}; both must be at least 1", what, pair[0], pair[1]);
}

/// A setting that a kind of map doesn't have must be at its default.
void check_settings(const MapAttributes& map) {
  MapAttributes plain = map;
  std::string_view settings = "no settings";
  switch (map.kind) {
    case MapKind::dense:
    case MapKind::diag: break;
    case MapKind::conv:
      plain.groups = 1;
      settings = "stride, groups and padding";
      [[fallthrough]];
    case MapKind::convt:
      plain.stride = {1, 1};
      plain.padding = Padding::none;
      if (map.kind == MapKind::convt) settings = "stride and padding";
      break;
    case MapKind::repeat:
      plain.kernel = plain.crop = {0, 0};
      settings = "kernel and crop";
      break;
    case MapKind::broadcast:
      plain.axes.clear();
      plain.shape.clear();
      settings = "axes and shape";
      break;
  }
  MapAttributes bare;
  bare.kind = map.kind;
  if (plain != bare) fail("a {} map takes {}", name_in(map_names, map.kind), settings);
}

void check_scalar_weight(const MapAttributes& map, const Dims& weight) {
  if (!weight.empty()) fail("a {} map takes a weight [], got {}", name_in(map_names, map.kind), to_string(weight));
}

/// Axes of a value of shape `dims`; the batch isn't one that can be meant.
void check_axes(const std::vector<std::int64_t>& axes, const Dims& dims) {
  for (const std::int64_t axis : axes) {
    if (axis < 1 || axis >= static_cast<std::int64_t>(dims.size())) {
      fail("axis {} of {}; axes are 1 .. {}", axis, to_string(dims), dims.size() - 1);
    }
  }
}

/// Output length of a window over a padded axis.
std::int64_t windows(std::int64_t length, std::int64_t kernel, std::int64_t stride, std::int64_t pad, Padding mode) {
  if (mode == Padding::reflect && pad >= length) {
    fail("reflect padding by {} needs more than {} pixels, got {}", pad, pad, length);
  }
  const std::int64_t padded = length + 2 * pad;
  if (padded < kernel) fail("a kernel of {} doesn't fit {} padded pixels", kernel, padded);
  return (padded - kernel) / stride + 1;
}

Dims convolved(const MapAttributes& map, const Dims& sender, const Dims& weight) {
  check_image(sender);
  if (weight.size() != 4) fail("a kernel of shape [kh,kw,C,C'] is needed, got {}", to_string(weight));
  check_positive(map.stride, "stride");
  const std::array<std::int64_t, 2> kernel{weight[0].length, weight[1].length};
  check_positive(kernel, "kernel");
  const bool transposed = map.kind == MapKind::convt;
  if (map.groups < 1 || weight[3].length % map.groups != 0) {
    fail("{} groups don't divide {} channels", map.groups, weight[3].length);
  }
  if (weight[2].length * map.groups != sender[3].length) {
    fail("a kernel of {} x {} input channels, a sender of {}", map.groups, weight[2].length, sender[3].length);
  }
  const auto pad = padding_of(map.padding, kernel);
  Dims result{sender[0], {}, {}, weight[3]};
  for (std::size_t axis = 0; axis < 2; ++axis) {
    const std::int64_t length = sender[axis + 1].length;
    if (transposed) {
      const std::int64_t padded = length + 2 * pad[axis];
      result[axis + 1] = padded + (kernel[axis] - 1) * (2 - map.stride[0]);
      if (result[axis + 1].length < 1) fail("a dilated kernel doesn't fit {} padded pixels", padded);
    } else {
      result[axis + 1] = windows(length, kernel[axis], map.stride[axis], pad[axis], map.padding);
    }
  }
  return result;
}

Dims broadcasted(const MapAttributes& map, const Dims& sender) {
  Dims shape{sender.at(0)};
  for (const std::int64_t n : map.shape) {
    if (n < 1) fail("an axis of length {}; expected at least 1", n);
    shape.emplace_back(n);
  }
  check_axes(map.axes, shape);
  std::size_t from = 0;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const bool inserted = std::find(map.axes.begin(), map.axes.end(), static_cast<std::int64_t>(axis)) != map.axes.end();
    const Dim given = inserted ? Dim(1) : from < sender.size() ? sender[from++] : Dim(0);
    if (given != shape[axis] && given != Dim(1)) {
      fail("{} doesn't broadcast to {}", to_string(sender), to_string(shape));
    }
  }
  if (from != sender.size()) fail("{} doesn't broadcast to {}", to_string(sender), to_string(shape));
  return shape;
}

}  // namespace

std::array<std::int64_t, 2> padding_of(Padding padding, std::array<std::int64_t, 2> kernel) {
  if (padding == Padding::none) return {0, 0};
  return {kernel[0] / 2, kernel[1] / 2};
}

Dims mapped_dims(const MapAttributes& map, const Dims& sender, const Dims& weight) {
  if (sender.empty()) fail("a sender with a batch axis is needed, got []");
  check_settings(map);
  switch (map.kind) {
    case MapKind::dense:
      if (sender.size() != 2 || weight.size() != 2 || sender[1] != weight[0]) {
        fail("a sender [B,d] and a weight [d,K] are needed, got {} and {}", to_string(sender), to_string(weight));
      }
      return {sender[0], weight[1]};
    case MapKind::diag:
      if (!weight.empty() && (weight.size() != 1 || weight[0] != sender.back())) {
        fail("a weight [] or [K] is needed for a sender [B,..,K], got {} and {}", to_string(weight), to_string(sender));
      }
      return sender;
    case MapKind::conv:
    case MapKind::convt: return convolved(map, sender, weight);
    case MapKind::repeat: {
      check_image(sender);
      check_scalar_weight(map, weight);
      check_positive(map.kernel, "kernel");
      const Dims result{sender[0], sender[1].length * map.kernel[0] - 2 * map.crop[0],
                        sender[2].length * map.kernel[1] - 2 * map.crop[1], sender[3]};
      if (map.crop[0] < 0 || map.crop[1] < 0 || result[1].length < 1 || result[2].length < 1) {
        fail("cropping {}x{} leaves nothing of {}", map.crop[0], map.crop[1], to_string(sender));
      }
      return result;
    }
    case MapKind::broadcast: check_scalar_weight(map, weight); return broadcasted(map, sender);
  }
  internal_error("unknown map {}", static_cast<int>(map.kind));
}

Dims window_dims(const WindowAttributes& window, const Dims& sender) {
  if (window.axes.empty()) {
    check_image(sender);
    check_positive(window.kernel, "kernel");
    check_positive(window.stride, "stride");
    const auto pad = padding_of(window.padding, window.kernel);
    Dims result = sender;
    for (std::size_t axis = 0; axis < 2; ++axis) {
      result[axis + 1] = windows(sender[axis + 1].length, window.kernel[axis], window.stride[axis], pad[axis],
                                 window.padding);
    }
    return result;
  }
  if (WindowAttributes axes; axes.axes = window.axes, axes != window) {
    fail("a majority takes kernel, stride and padding, or axes, not both");
  }
  if (sender.empty()) fail("a sender with a batch axis is needed, got []");
  check_axes(window.axes, sender);
  Dims result;
  for (std::size_t axis = 0; axis < sender.size(); ++axis) {
    const auto here = static_cast<std::int64_t>(axis);
    if (std::find(window.axes.begin(), window.axes.end(), here) == window.axes.end()) result.push_back(sender[axis]);
  }
  return result;
}

}  // namespace relaxon
