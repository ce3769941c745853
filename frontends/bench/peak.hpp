// What the dense algorithm would take on a machine that does nothing but fused multiply-adds.
#pragma once

#include "core/network.hpp"
#include "runtime/kernels/kernels.hpp"

namespace relaxon::bench {

/// Floating-point operations of one batch of B images, every edge taken as dense: 2 B d K for each message of
/// each iteration (training: those of the updates' fields too; evaluation: predict), and for training 2 B d K
/// for each correlation S (twice under the contrastive rule). Thresholds, margins and optimizers count
/// nothing.
double train_flops(const Network& network, std::int64_t batch);
double evaluate_flops(const Network& network, std::int64_t batch);

/// Float32 operations a second of one core, two for a fused multiply-add, measured for some milliseconds on
/// independent registers. Without FMA (plain x86-64) a multiplication and an addition.
double measured_flops_per_second(Isa isa);

}  // namespace relaxon::bench
