// Everything a C++ program needs of relaxon.
//
// Declare a LayerMap, a Schedule and an Optimizer in a Network; a Session runs it. Data sets come from
// load_dataset, whole trainings from Trainer, network files from load_network_file.
#pragma once

#include "core/data/dataset.hpp"
#include "core/error.hpp"
#include "core/network.hpp"
#include "core/tensor.hpp"
#include "core/weight.hpp"
#include "frontends/lint/lint.hpp"
#include "frontends/network_file.hpp"
#include "ir/text.hpp"
#include "passes/lower.hpp"
#include "passes/pipeline.hpp"
#include "passes/plan/plan.hpp"
#include "runtime/session.hpp"
#include "runtime/trainer.hpp"
