// Kernels of each instruction set beside a plain loop, at the shapes of the published networks. The counter
// `speedup` is the loop's time over the kernel's, both the fastest of some tries in this run. Not a test:
// nothing is asserted. Without FMA, real_message emulates it exactly and is slower than any loop that
// doesn't.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>
#include <vector>

#include "core/math.hpp"
#include "runtime/kernels/kernels.hpp"

namespace relaxon {
namespace {

template <class T>
using Array = std::vector<T>;

/// One batch of 16 samples, which is one panel: signs as masks and as numbers, and weights.
struct Layer {
  std::int64_t d, K, stride;
  Array<Mask> plus, minus;
  Array<float> x, w, acc;
  Array<std::int32_t> integers, q, h;  // integers: x

  Layer(std::int64_t senders, std::int64_t receivers)
      : d(senders), K(receivers), stride(row_stride(receivers)) {
    std::uint32_t state = 1;
    const auto next = [&] { return (state = state * 1664525u + 1013904223u) >> 8; };
    for (std::int64_t j = 0; j < d; ++j) {
      plus.push_back(static_cast<Mask>(next()));
      minus.push_back(static_cast<Mask>(~plus.back()));
      for (std::int64_t b = 0; b < lanes; ++b) x.push_back((plus.back() >> b & 1) != 0 ? 1.0f : -1.0f);
      for (std::int64_t k = 0; k < stride; ++k) {
        q.push_back(k < K ? static_cast<std::int32_t>(next() % 65536) - 32768 : 0);
        w.push_back(static_cast<float>(q.back()) / 32768);
      }
    }
    integers.assign(x.begin(), x.end());
    h.resize(static_cast<std::size_t>(stride * lanes));
    acc.resize(h.size());
  }
  SignsIn signs() const { return {plus.data(), minus.data()}; }
};

/// h[k][lane] = sum over j of x[j][lane] weight[j][k].
template <class T>
[[gnu::always_inline]] inline void message_loop(const T* x, const T* weight, std::int64_t d, std::int64_t K,
                                                std::int64_t stride, T* h) {
  std::fill_n(h, K * lanes, T(0));
  for (std::int64_t j = 0; j < d; ++j) {
    for (std::int64_t k = 0; k < K; ++k) {
      for (std::int64_t b = 0; b < lanes; ++b) h[k * lanes + b] += x[j * lanes + b] * weight[j * stride + k];
    }
  }
}

// The loops are compiled for every instruction set too, and run for the best of the machine.
[[gnu::target_clones("avx512f", "avx2", "default")]] void plain_message(const std::int32_t* x,
                                                                        const std::int32_t* weight,
                                                                        std::int64_t d, std::int64_t K,
                                                                        std::int64_t stride,
                                                                        std::int32_t* h) {
  message_loop(x, weight, d, K, stride, h);
}

[[gnu::target_clones("avx512f", "avx2", "default")]] void plain_message(const float* x, const float* weight,
                                                                        std::int64_t d, std::int64_t K,
                                                                        std::int64_t stride, float* h) {
  message_loop(x, weight, d, K, stride, h);
}

[[gnu::target_clones("avx512f", "avx2", "default")]] void plain_update(const float* u, const float* v,
                                                                       float alpha, std::int64_t d,
                                                                       std::int64_t K, std::int64_t stride,
                                                                       float* w) {
  for (std::int64_t j = 0; j < d; ++j) {
    for (std::int64_t k = 0; k < K; ++k) {
      float s = 0;
      for (std::int64_t b = 0; b < lanes; ++b) s += u[j * lanes + b] * v[k * lanes + b];
      w[j * stride + k] += alpha * s;
    }
  }
}

double fastest_seconds(const std::function<void()>& work) {
  using Clock = std::chrono::steady_clock;
  double best = 1e30;
  for (int i = 0; i < 5; ++i) {
    const auto start = Clock::now();
    work();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - start).count());
  }
  return best;
}

void compare(benchmark::State& state, const std::function<void()>& kernel,
             const std::function<void()>& plain) {
  const FlushToZero mode;
  const double plain_seconds = fastest_seconds(plain);
  for (auto _ : state) {
    kernel();
    benchmark::ClobberMemory();
  }
  state.counters["speedup"] = plain_seconds / fastest_seconds(kernel);
}

void exact_message(benchmark::State& state, Isa isa, std::int64_t d, std::int64_t K) {
  Layer layer(d, K);
  compare(
      state,
      [&] {
        kernels(isa).exact_rows32({layer.q.data(), d, K, layer.stride}, layer.signs(), lanes, nullptr,
                                  layer.h.data());
      },
      [&] { plain_message(layer.integers.data(), layer.q.data(), d, K, layer.stride, layer.h.data()); });
}

void real_message(benchmark::State& state, Isa isa, std::int64_t d, std::int64_t K) {
  Layer layer(d, K);
  compare(
      state,
      [&] {
        kernels(isa).real_dense({layer.w.data(), d, K, layer.stride}, layer.x.data(), 1, layer.acc.data());
      },
      [&] { plain_message(layer.x.data(), layer.w.data(), d, K, layer.stride, layer.acc.data()); });
}

void sgd_update(benchmark::State& state, Isa isa, std::int64_t d, std::int64_t K) {
  Layer layer(d, K), errors(K, 16);
  const Array<float> scalars{1e-6f, 0};
  Array<float> scratch(
      static_cast<std::size_t>(update_scratch(Sender::Kind::signs, Errors::Kind::signs, 1, layer.stride)));
  UpdateArguments<DenseWeight<float>> arguments{};
  arguments.rule = StepRule::sgd;
  arguments.scalars = scalars.data();
  arguments.u.kind = Sender::Kind::signs;
  arguments.u.signs = layer.signs();
  arguments.v.kind = Errors::Kind::signs;
  arguments.v.signs = errors.signs();
  arguments.panels = 1;
  arguments.weight = {layer.w.data(), d, K, layer.stride};
  arguments.scratch = scratch.data();
  compare(
      state, [&] { benchmark::DoNotOptimize(kernels(isa).update_dense(arguments)); },
      [&] { plain_update(layer.x.data(), errors.x.data(), scalars[0], d, K, layer.stride, layer.w.data()); });
}

using Benchmark = void (*)(benchmark::State&, Isa, std::int64_t, std::int64_t);

void add(const char* name, Benchmark run) {
  for (const Isa isa : {Isa::x86_64, Isa::avx2, Isa::avx512}) {
    if (!has_isa(isa)) continue;
    for (const auto& [d, K] : {std::pair<std::int64_t, std::int64_t>{100, 300}, {300, 300}, {300, 10}}) {
      benchmark::RegisterBenchmark(fmt::format("{}/{}/{}x{}", name, name_of(isa), d, K).c_str(),
                                   [=](benchmark::State& state) { run(state, isa, d, K); });
    }
  }
}

}  // namespace
}  // namespace relaxon

int main(int argc, char** argv) {
  relaxon::add("exact_message", relaxon::exact_message);
  relaxon::add("real_message", relaxon::real_message);
  relaxon::add("sgd_update", relaxon::sgd_update);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
}
