// The lint rules, by topic. Each adds its findings to a report.
#pragma once

#include <string>
#include <vector>

#include "frontends/lint/facts.hpp"
#include "frontends/lint/lint.hpp"

namespace relaxon::lint_detail {

using Report = std::vector<Finding>;

// training_rules.cpp
void never_trains(const Facts& facts, Report& report);
void negative_rate(const Facts& facts, Report& report);
void unused_optimizer(const Facts& facts, Report& report);
void decay(const Facts& facts, Report& report);

// schedule_rules.cpp
void label_in_free_phase(const Facts& facts, Report& report);
void label_in_evaluation(const Facts& facts, Report& report);
void label_in_update(const Facts& facts, Report& report);
void empty_phase(const Facts& facts, Report& report);
void unused_edge(const Facts& facts, Report& report);
void unreached_row(const Facts& facts, Report& report);
void unread_row(const Facts& facts, Report& report);

// weight_rules.cpp
void threshold_range(const Facts& facts, Report& report);
void frozen_unit(const Facts& facts, Report& report);
void unit_without_input(const Facts& facts, Report& report);
void silent_edge(const Facts& facts, Report& report);
void weight_range(const Facts& facts, Report& report);
void shared_key(const Facts& facts, Report& report);
void dense_sparse_edge(const Facts& facts, Report& report);

}  // namespace relaxon::lint_detail
