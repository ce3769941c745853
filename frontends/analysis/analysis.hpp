// Ready-made looks at the dynamics of a network, made from probes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/data/dataset.hpp"
#include "frontends/batch_stream.hpp"
#include "frontends/network_file.hpp"
#include "runtime/session.hpp"

namespace relaxon {

/// flips     share of a row's units that change in each iteration of training, from the second sweep on
/// settled   share of images none of whose hidden units changes in an iteration
/// overlap   mean over images of s s' / K between the states that phases end with
/// fields    histogram of the fields that updates judge
/// leak      accuracy of the read-out on the states after each training phase, which may know the label,
/// beside
///           that of the evaluation on the same images
enum class Analysis : std::uint8_t { flips, settled, overlap, fields, leak };

inline constexpr std::array<std::string_view, 5> analysis_names{"flips", "settled", "overlap", "fields",
                                                                "leak"};

struct AnalysisOptions {
  std::int64_t steps = 20;  // training batches looked at
};

/// What an analysis found: a table, and a gnuplot script that draws it as SVG.
struct AnalysisTable {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
  std::string script;
};

/// Looks at the next batches of a session; they train it, but for `leak`, which changes nothing. Throws
/// Error.
AnalysisTable analyse(Analysis what, Session& session, const NetworkFile& file, const Dataset& data,
                      BatchStream& stream, const AnalysisOptions& options);

/// Columns in line, numbers to the right.
std::string to_text(const AnalysisTable& table);
std::string to_csv(const AnalysisTable& table);

}  // namespace relaxon
