// Maps against direct computations that pad, dilate and repeat for real.
#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "tests/support/run_graph.hpp"

using namespace relaxon;
using namespace relaxon::testing;

namespace {

/// A dense image [H][W][C] of small integers, so that sums are exact in any order.
struct Image {
  std::int64_t height, width, channels;
  std::vector<float> values;

  Image(std::int64_t h, std::int64_t w, std::int64_t c)
      : height(h), width(w), channels(c), values(static_cast<std::size_t>(h * w * c)) {}
  float& at(std::int64_t y, std::int64_t x, std::int64_t c) {
    return values.at(static_cast<std::size_t>((y * width + x) * channels + c));
  }
  Tensor tensor() const { return reals({1, height, width, channels}, values); }
  std::string type() const { return fmt::format("[B,{},{},{}]", height, width, channels); }
};

Image numbered(std::int64_t h, std::int64_t w, std::int64_t c, int seed) {
  Image image(h, w, c);
  for (std::size_t i = 0; i < image.values.size(); ++i) {
    image.values[i] = static_cast<float>((static_cast<int>(i) * 37 + seed * 11) % 13 - 6);
  }
  return image;
}

/// The image with `py`, `px` more pixels on every side.
Image padded(Image from, std::int64_t py, std::int64_t px, const std::string& mode) {
  Image to(from.height + 2 * py, from.width + 2 * px, from.channels);
  const auto source = [&](std::int64_t i, std::int64_t n) {
    if (mode == "edge") return i < 0 ? std::int64_t{0} : i >= n ? n - 1 : i;
    if (mode == "reflect") return i < 0 ? -i : i >= n ? 2 * n - 2 - i : i;
    return i;
  };
  for (std::int64_t y = 0; y < to.height; ++y) {
    for (std::int64_t x = 0; x < to.width; ++x) {
      const std::int64_t sy = source(y - py, from.height), sx = source(x - px, from.width);
      if (sy < 0 || sy >= from.height || sx < 0 || sx >= from.width) continue;
      for (std::int64_t c = 0; c < to.channels; ++c) to.at(y, x, c) = from.at(sy, sx, c);
    }
  }
  return to;
}

Image padded_for(const Image& from, std::int64_t kh, std::int64_t kw, const std::string& mode) {
  return mode == "none" ? from : padded(from, kh / 2, kw / 2, mode);
}

struct Taps {
  std::int64_t height, width, in, out;
  std::vector<float> values;
  float at(std::int64_t y, std::int64_t x, std::int64_t c, std::int64_t k) const {
    return values.at(static_cast<std::size_t>(((y * width + x) * in + c) * out + k));
  }
  Tensor tensor() const { return reals({height, width, in, out}, values); }
  std::string type() const { return fmt::format("f32[{},{},{},{}]", height, width, in, out); }
};

Taps numbered_kernel(std::int64_t h, std::int64_t w, std::int64_t in, std::int64_t out) {
  return {h, w, in, out, numbered(h * w, in, out, 5).values};
}

/// Windows of the image that fit, `stride` apart.
Image valid(Image x, const Taps& w, std::int64_t sy, std::int64_t sx, std::int64_t groups,
            std::int64_t dilation = 1) {
  Image y((x.height - (w.height - 1) * dilation - 1) / sy + 1,
          (x.width - (w.width - 1) * dilation - 1) / sx + 1, w.out);
  for (std::int64_t i = 0; i < y.height; ++i) {
    for (std::int64_t j = 0; j < y.width; ++j) {
      for (std::int64_t k = 0; k < w.out; ++k) {
        const std::int64_t first = k / (w.out / groups) * w.in;
        for (std::int64_t a = 0; a < w.height; ++a) {
          for (std::int64_t b = 0; b < w.width; ++b) {
            for (std::int64_t c = 0; c < w.in; ++c) {
              y.at(i, j, k) +=
                  x.at(i * sy + a * dilation, j * sx + b * dilation, first + c) * w.at(a, b, c, k);
            }
          }
        }
      }
    }
  }
  return y;
}

std::string padding_word(const std::string& mode) { return mode == "none" ? "" : " padding=" + mode; }

Tensor message(const Image& x, const std::string& weight_type, const Tensor& w, const std::string& map) {
  const std::string text = "graph \"g\" fixed 20 %x = input \"x\" : f32" + x.type() +
                           " %w = param \"w\" : " + weight_type + " %m = message %x, %w {" + map +
                           "} return \"m\" %m";
  return result_of(text, {{"x", x.tensor()}, {"w", w}});
}

const std::vector<std::string> modes{"none", "constant", "edge", "reflect"};

}  // namespace

TEST_CASE("convolutions of every padding, stride and group", "[interpreter][maps]") {
  const Image x = numbered(5, 6, 4, 1);
  for (const std::string& mode : modes) {
    for (const std::int64_t groups : {1, 2, 4}) {
      for (const auto& [sy, sx] : {std::pair{1, 1}, std::pair{2, 1}, std::pair{3, 2}}) {
        for (const auto& [kh, kw] : {std::pair{3, 3}, std::pair{2, 4}, std::pair{1, 5}}) {
          INFO(mode << " groups " << groups << " stride " << sy << "x" << sx << " kernel " << kh << "x"
                    << kw);
          const Taps w = numbered_kernel(kh, kw, 4 / groups, 4);
          const std::string map =
              fmt::format("conv stride={}x{} groups={}{}", sy, sx, groups, padding_word(mode));
          CHECK(message(x, w.type(), w.tensor(), map) ==
                valid(padded_for(x, kh, kw, mode), w, sy, sx, groups).tensor());
        }
      }
    }
  }
}

TEST_CASE("transposed convolutions", "[interpreter][maps]") {
  const Image x = numbered(4, 5, 2, 2);
  for (const std::string& mode : modes) {
    for (const std::int64_t stride : {1, 2, 3}) {
      for (const auto& [kh, kw] : {std::pair{3, 3}, std::pair{2, 3}, std::pair{1, 2}}) {
        INFO(mode << " stride " << stride << " kernel " << kh << "x" << kw);
        const Taps w = numbered_kernel(kh, kw, 2, 3);
        const Image far = padded(padded_for(x, kh, kw, mode), kh - 1, kw - 1, "constant");
        const std::string map = fmt::format("convt stride={}x{}{}", stride, stride, padding_word(mode));
        CHECK(message(x, w.type(), w.tensor(), map) == valid(far, w, 1, 1, 1, stride).tensor());
      }
    }
  }
}

TEST_CASE("exact convolutions are those of the rounded kernel", "[interpreter][maps]") {
  Image x = numbered(4, 4, 2, 3);
  for (float& v : x.values) v = v > 2 ? 1.0f : v < -2 ? -1.0f : 0.0f;
  const Taps w = numbered_kernel(3, 3, 2, 2);
  std::vector<int> values(x.values.begin(), x.values.end());
  const std::string text = "graph \"g\" fixed 20 %x = input \"x\" : tern" + x.type() +
                           " %w = param \"w\" : " + w.type() +
                           " %h = message %x, %w {conv padding=reflect fixed} %m = to_f32 %h return \"m\" %m";
  CHECK(result_of(text, {{"x", signs({1, 4, 4, 2}, values)}, {"w", w.tensor()}}) ==
        valid(padded(x, 1, 1, "reflect"), w, 1, 1, 1).tensor());
}

TEST_CASE("correlations of convolutions are sums over windows", "[interpreter][maps]") {
  const Image x = numbered(5, 4, 4, 4);
  for (const std::string& mode : modes) {
    for (const std::int64_t groups : {1, 2}) {
      INFO(mode << " groups " << groups);
      const Taps shape = numbered_kernel(3, 3, 4 / groups, 4);
      Image from = padded_for(x, 3, 3, mode);
      Image v = valid(from, shape, 2, 1, groups);
      v = numbered(v.height, v.width, v.channels, 6);
      Taps s = shape;
      for (std::size_t e = 0; e < s.values.size(); ++e) {
        const auto i = static_cast<std::int64_t>(e);
        const std::int64_t k = i % 4, c = i / 4 % s.in, b = i / (4 * s.in) % 3, a = i / (12 * s.in);
        s.values[e] = 0;
        for (std::int64_t y = 0; y < v.height; ++y) {
          for (std::int64_t z = 0; z < v.width; ++z) {
            s.values[e] += from.at(y * 2 + a, z + b, k / (4 / groups) * s.in + c) * v.at(y, z, k);
          }
        }
      }
      const std::string text =
          "graph \"g\" fixed 20 %u = input \"u\" : f32" + x.type() + " %v = input \"v\" : f32" + v.type() +
          fmt::format(" %s = correlate %u, %v {{conv stride=2x1 groups={}{}}} : {} return \"s\" %s", groups,
                      padding_word(mode), s.type());
      CHECK(result_of(text, {{"u", x.tensor()}, {"v", v.tensor()}}) == s.tensor());
    }
  }
}

TEST_CASE("repeat and broadcast", "[interpreter][maps]") {
  Image x = numbered(2, 3, 2, 7);
  Image wide(6, 6, 2);
  for (std::int64_t y = 0; y < 6; ++y) {
    for (std::int64_t z = 0; z < 6; ++z) {
      for (std::int64_t c = 0; c < 2; ++c) wide.at(y, z, c) = 0.5f * x.at(y / 3, z / 2, c);
    }
  }
  CHECK(message(x, "f32[]", Tensor::scalar(0.5f), "repeat kernel=3x2") == wide.tensor());
  Image cropped(4, 2, 2);
  for (std::int64_t y = 0; y < 4; ++y) {
    for (std::int64_t z = 0; z < 2; ++z) {
      for (std::int64_t c = 0; c < 2; ++c) cropped.at(y, z, c) = wide.at(y + 1, z + 2, c);
    }
  }
  CHECK(message(x, "f32[]", Tensor::scalar(0.5f), "repeat kernel=3x2 crop=1x2") == cropped.tensor());

  const std::string channels =
      "graph \"g\" fixed 20 %x = input \"x\" : f32[B,2] %w = param \"w\" : f32[]"
      " %m = message %x, %w {broadcast axes=1,2 shape=1,2,2} return \"m\" %m";
  CHECK(result_of(channels, {{"x", reals({2, 2}, {1, 2, 3, 4})}, {"w", Tensor::scalar(2.0f)}}) ==
        reals({2, 1, 2, 2}, {2, 4, 2, 4, 6, 8, 6, 8}));
  const std::string last =
      "graph \"g\" fixed 20 %x = input \"x\" : f32[B,2,1] %w = param \"w\" : f32[]"
      " %m = message %x, %w {broadcast axes=3 shape=2,3,2} return \"m\" %m";
  CHECK(result_of(last, {{"x", reals({1, 2, 1}, {1, 2})}, {"w", Tensor::scalar(1.0f)}}) ==
        reals({1, 2, 3, 2}, {1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2}));
}

TEST_CASE("majorities", "[interpreter][maps]") {
  Image x = numbered(5, 4, 3, 8);
  for (float& v : x.values) v = v > 0 ? 1.0f : -1.0f;
  const std::vector<int> values(x.values.begin(), x.values.end());
  for (const std::string& mode : modes) {
    INFO(mode);
    Image from = padded_for(x, 3, 2, mode);
    Taps ones{3, 2, 1, 3, std::vector<float>(18, 1.0f)};
    Image sums = valid(from, ones, 2, 1, 3);
    std::vector<int> expected;
    for (const float s : sums.values) expected.push_back(s > 0 ? 1 : -1);
    const std::string text = "graph \"g\" fixed 20 %x = input \"x\" : pm1" + x.type() +
                             " %m = majority %x {kernel=3x2 stride=2x1" + padding_word(mode) +
                             "} return \"m\" %m";
    CHECK(result_of(text, {{"x", signs({1, 5, 4, 3}, values)}}) ==
          signs({1, sums.height, sums.width, 3}, expected));
  }
  const auto over = [](const std::string& axes) {
    const std::string text =
        "graph \"g\" fixed 20 %x = input \"x\" : tern[B,2,3] %m = majority %x {axes=" + axes +
        "} return \"m\" %m";
    return result_of(text, {{"x", signs({2, 2, 3}, {1, 1, -1, 1, -1, -1, 0, 1, -1, 1, 1, 1})}});
  };
  CHECK(over("1") == signs({2, 3}, {1, -1, -1, 1, 1, -1}));
  CHECK(over("2") == signs({2, 2}, {1, -1, -1, 1}));
  CHECK(over("1,2") == signs({2}, {-1, 1}));
}
