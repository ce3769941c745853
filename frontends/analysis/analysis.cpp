#include "frontends/analysis/analysis.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/error.hpp"
#include "core/fixed_point.hpp"

namespace relaxon {
namespace {

constexpr std::string_view style =
    "set terminal svg size 640,400 dynamic font 'sans-serif,13' background 'white'\n"
    "set border 3\nset xtics nomirror\nset ytics nomirror\nset grid linecolor '#dddddd'\n";

int hidden_rows(const Session& session) {
  const int rows = session.network().map.output() - 1;
  if (rows < 1) fail("the network has no hidden row to look at");
  return rows;
}

/// Trains the next batches and returns what was seen of `probes`.
Recorder recorded(std::vector<Probe> probes, Session& session, const NetworkFile& file, const Dataset& data,
                  BatchStream& stream, std::int64_t steps) {
  Recorder recorder;
  session.record({std::move(probes), recorder.sink(), 0, steps});
  const std::int64_t batch = std::min(file.data.batch_size, data.train.images());
  session.train(labelled(data.train, data.code), stream.next(steps), batch);
  return recorder;
}

/// How many units of image `b` differ between two states (images, K).
std::int64_t changes(const std::int8_t* before, const std::int8_t* after, std::int64_t K) {
  std::int64_t count = 0;
  for (std::int64_t k = 0; k < K; ++k) count += before[k] != after[k] ? 1 : 0;
  return count;
}

/// Changes of every row, image by image, in one iteration.
struct Sweep {
  int phase = 0;
  std::int64_t iteration = 0;
  std::vector<std::vector<std::int64_t>> changed;  // [row - 1][image]
};

/// All sweeps of training but the first, which takes every unit from 0 to +-1.
std::vector<Sweep> sweeps(Session& session, const NetworkFile& file, const Dataset& data, BatchStream& stream,
                          std::int64_t steps) {
  const int rows = hidden_rows(session);
  std::vector<Probe> probes;
  for (int row = 1; row <= rows; ++row) probes.push_back({.row = row, .every = true});
  const Recorder recorder = recorded(std::move(probes), session, file, data, stream, steps);
  std::vector<Sweep> all;
  std::vector<Tensor> before(static_cast<std::size_t>(rows));
  const std::vector<Phase> phases = session.network().schedule.phases();
  for (int p = 0; p < static_cast<int>(phases.size()); ++p) {
    std::vector<Tensor> states;
    for (int row = 1; phases[static_cast<std::size_t>(p)].iterations > 0 && row <= rows; ++row)
      states.push_back(recorder.array(to_string(Probe{.row = row, .phase = p, .every = true})));
    for (std::int64_t t = 0; t < phases[static_cast<std::size_t>(p)].iterations; ++t) {
      Sweep sweep{p, t, {}};
      for (std::size_t r = 0; r < states.size(); ++r) {
        const std::int64_t images = states[r].shape()[1], K = states[r].shape()[2];
        Tensor now(DType::i8, {images, K});
        const auto from = states[r].data<std::int8_t>().subspan(static_cast<std::size_t>(t * images * K));
        std::copy_n(from.begin(), now.size(), now.data<std::int8_t>().begin());
        std::vector<std::int64_t>& changed = sweep.changed.emplace_back();
        for (std::int64_t b = 0; b < images && !before[r].empty(); ++b) {
          changed.push_back(changes(before[r].data<std::int8_t>().data() + b * K,
                                    now.data<std::int8_t>().data() + b * K, K));
        }
        before[r] = std::move(now);
      }
      if (!sweep.changed[0].empty()) all.push_back(std::move(sweep));
    }
  }
  return all;
}

/// A plot of columns over the sweeps, phase by phase.
std::string sweep_script(const AnalysisTable& table, std::string_view y) {
  std::string script = "$data << END\n";
  for (std::size_t i = 0; i < table.rows.size(); ++i)
    script += fmt::format("{} {}\n", i + 2, fmt::join(table.rows[i], " "));
  script += fmt::format("END\n{}set xlabel 'sweep'\nset ylabel '{}'\nset yrange [0:*]\n", style, y);
  for (std::size_t i = 1; i < table.rows.size(); ++i) {
    if (table.rows[i][0] == table.rows[i - 1][0]) continue;
    script +=
        fmt::format("set arrow from {0}, graph 0 to {0}, graph 1 nohead dashtype 2 linecolor '#888888'\n",
                    static_cast<double>(i) + 1.5);
  }
  std::string plots;
  for (std::size_t c = 2; c < table.columns.size(); ++c) {
    plots +=
        fmt::format("{} $data using 1:{} with linespoints linewidth 2 pointtype 7 pointsize 0.5 title '{}'",
                    plots.empty() ? "plot" : ",", c + 2, table.columns[c]);
  }
  return script + plots + "\n";
}

AnalysisTable flips(Session& session, const NetworkFile& file, const Dataset& data, BatchStream& stream,
                    std::int64_t steps) {
  AnalysisTable table{{"phase", "iteration"}, {}, {}};
  for (int row = 1; row <= hidden_rows(session); ++row) table.columns.push_back(fmt::format("s{}", row));
  for (const Sweep& sweep : sweeps(session, file, data, stream, steps)) {
    auto& line = table.rows.emplace_back(
        std::vector{fmt::format("{}", sweep.phase), fmt::format("{}", sweep.iteration)});
    for (std::size_t r = 0; r < sweep.changed.size(); ++r) {
      double sum = 0;
      for (const std::int64_t n : sweep.changed[r]) sum += static_cast<double>(n);
      const double units = static_cast<double>(session.network().map.units(static_cast<int>(r) + 1));
      line.push_back(fmt::format("{:.5f}", sum / units / static_cast<double>(sweep.changed[r].size())));
    }
  }
  table.script = sweep_script(table, "share of units that flip");
  return table;
}

AnalysisTable settled(Session& session, const NetworkFile& file, const Dataset& data, BatchStream& stream,
                      std::int64_t steps) {
  AnalysisTable table{{"phase", "iteration", "settled"}, {}, {}};
  for (const Sweep& sweep : sweeps(session, file, data, stream, steps)) {
    const std::size_t images = sweep.changed[0].size();
    std::size_t still = 0;
    for (std::size_t b = 0; b < images; ++b) {
      still += std::ranges::all_of(sweep.changed, [&](const auto& row) { return row[b] == 0; }) ? 1 : 0;
    }
    table.rows.push_back({fmt::format("{}", sweep.phase), fmt::format("{}", sweep.iteration),
                          fmt::format("{:.5f}", static_cast<double>(still) / static_cast<double>(images))});
  }
  table.script = sweep_script(table, "share of images that stay as they are");
  return table;
}

double overlap_of(const Tensor& a, const Tensor& b) {
  const auto x = a.data<std::int8_t>(), y = b.data<std::int8_t>();
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) sum += x[i] * y[i];
  return static_cast<double>(sum) / static_cast<double>(x.size());
}

AnalysisTable overlap(Session& session, const NetworkFile& file, const Dataset& data, BatchStream& stream,
                      std::int64_t steps) {
  const int rows = hidden_rows(session);
  const int phases = static_cast<int>(session.network().schedule.phases().size());
  std::vector<Probe> probes;
  for (int row = 1; row <= rows; ++row) probes.push_back({.row = row});
  const Recorder recorder = recorded(std::move(probes), session, file, data, stream, steps);
  AnalysisTable table{{"row", "phase"}, {}, {}};
  for (int p = 0; p < phases; ++p) table.columns.push_back(fmt::format("phase {}", p));
  for (int row = 1; row <= rows; ++row) {
    const auto after = [&](int p) { return recorder.array(to_string(Probe{.row = row, .phase = p})); };
    for (int p = 0; p < phases; ++p) {
      auto& line = table.rows.emplace_back(std::vector{fmt::format("{}", row), fmt::format("{}", p)});
      for (int q = 0; q < phases; ++q) line.push_back(fmt::format("{:.5f}", overlap_of(after(p), after(q))));
    }
  }
  table.script = "$data << END\n";
  for (std::size_t i = 0; i < table.rows.size(); ++i) {
    for (std::size_t c = 2; c < table.columns.size(); ++c)
      table.script += fmt::format("{} {} {}\n", c - 2, i, table.rows[i][c]);
  }
  table.script += fmt::format(
      "END\n{}set xlabel 'phase'\nset ylabel 'row and phase'\nset ytics ({})\nset xtics 1\nset cbrange "
      "[-1:1]\n"
      "set palette defined (-1 '#b2182b', 0 '#f7f7f7', 1 '#2166ac')\nplot $data with image notitle, "
      "$data using 1:2:(sprintf('%.3f', $3)) with labels notitle\n",
      style, [&] {
        std::string tics;
        for (std::size_t i = 0; i < table.rows.size(); ++i)
          tics += fmt::format("{}'s{}@{}' {}", i == 0 ? "" : ", ", table.rows[i][0], table.rows[i][1], i);
        return tics;
      }());
  return table;
}

AnalysisTable fields(Session& session, const NetworkFile& file, const Dataset& data, BatchStream& stream,
                     std::int64_t steps) {
  const int rows = session.network().map.output();
  std::vector<Probe> probes;
  for (int row = 1; row <= rows; ++row) probes.push_back({.kind = Probe::Kind::judged, .row = row});
  const Recorder recorder = recorded(std::move(probes), session, file, data, stream, steps);
  AnalysisTable table{{"row", "from", "to", "share"}, {}, {}};
  std::string plots;
  for (int row = 1; row <= rows; ++row) {
    const Tensor values = recorder.array(to_string(Probe{.kind = Probe::Kind::judged, .row = row}));
    const auto all = values.data<std::int64_t>();
    const auto [least, most] = std::minmax_element(all.begin(), all.end());
    const int bits = session.network().fixed_bits;
    const double low = from_fixed(*least, bits), high = from_fixed(*most, bits);
    constexpr std::size_t bins = 20;
    const double width = std::max((high - low) / bins, 1e-9);
    std::vector<std::int64_t> counts(bins);
    for (const std::int64_t h : all)
      ++counts[std::min(bins - 1,
                        static_cast<std::size_t>(std::max(0.0, (from_fixed(h, bits) - low) / width)))];
    table.script += fmt::format("$row{} << END\n", row);
    for (std::size_t i = 0; i < bins; ++i) {
      const double from = low + static_cast<double>(i) * width;
      const double share = static_cast<double>(counts[i]) / static_cast<double>(all.size());
      table.rows.push_back({fmt::format("{}", row), fmt::format("{:.4g}", from),
                            fmt::format("{:.4g}", from + width), fmt::format("{:.5f}", share)});
      table.script += fmt::format("{} {}\n", from + width / 2, share / width);
    }
    table.script += "END\n";
    plots += fmt::format("{} $row{} with steps linewidth 2 title 'row {}'", plots.empty() ? "plot" : ",", row,
                         row);
  }
  table.script +=
      fmt::format("{}set xlabel 'field'\nset ylabel 'density'\nset yrange [0:*]\n{}\n", style, plots);
  return table;
}

std::int64_t right_answers(const Tensor& scores, std::span<const std::int32_t> classes) {
  const auto values = scores.matrix<float>();
  std::int64_t right = 0;
  for (Eigen::Index b = 0; b < values.rows(); ++b) {
    Eigen::Index best = 0;
    for (Eigen::Index k = 1; k < values.cols(); ++k) {
      if (values(b, k) > values(b, best)) best = k;
    }
    right += best == classes[static_cast<std::size_t>(b)] ? 1 : 0;
  }
  return right;
}

/// The images of a batch.
struct Batch {
  Tensor x, y, classes;
};

Batch batch_of(const Dataset& data, std::span<const std::int32_t> images) {
  const auto rows = [&](const Tensor& table, auto&& index) {
    Shape shape = table.shape();
    shape[0] = static_cast<std::int64_t>(images.size());
    Tensor chosen(table.dtype(), shape);
    const std::size_t bytes = table.bytes() / static_cast<std::size_t>(table.shape()[0]);
    for (std::size_t b = 0; b < images.size(); ++b)
      std::copy_n(table.raw() + static_cast<std::size_t>(index(images[b])) * bytes, bytes,
                  chosen.raw() + b * bytes);
    return chosen;
  };
  const auto classes = data.train.classes.data<std::int32_t>();
  const auto same = [](std::int32_t i) { return i; };
  return {rows(data.train.x, same),
          rows(data.code, [&](std::int32_t i) { return classes[static_cast<std::size_t>(i)]; }),
          rows(data.train.classes, same)};
}

AnalysisTable leak(Session& session, const NetworkFile& file, const Dataset& data, BatchStream& stream,
                   std::int64_t steps) {
  const std::vector<Phase> phases = session.network().schedule.phases();
  std::vector<std::int64_t> right(phases.size() + 1);
  std::int64_t images = 0;
  const std::int64_t size = std::min(file.data.batch_size, data.train.images());
  for (std::int64_t step = 0; step < steps; ++step) {
    const std::vector<std::int32_t> order = stream.next(1);
    const Batch batch = batch_of(data, order);
    const auto classes = batch.classes.data<std::int32_t>();
    State state = session.init(batch.x, batch.y);
    for (std::size_t p = 0; p < phases.size(); ++p) {
      session.sweep(state, phases[p].filter, phases[p].iterations);
      State read = state;
      session.predict(read);
      right[p] += right_answers(read.buffer(read.buffers() - 1), classes);
    }
    right.back() += right_answers(session.evaluate(batch.x), classes);
    images += size;
  }
  AnalysisTable table{{"states", "accuracy"}, {}, {}};
  table.script = "$data << END\n";
  for (std::size_t p = 0; p < right.size(); ++p) {
    const bool evaluated = p == phases.size();
    const std::string name =
        evaluated ? "evaluation" : fmt::format("phase {} ({})", p, name_of(phases[p].filter));
    table.rows.push_back(
        {name, fmt::format("{:.4f}", static_cast<double>(right[p]) / static_cast<double>(images))});
    table.script += fmt::format("'{}' {}\n", name, table.rows.back()[1]);
  }
  table.script += fmt::format(
      "END\n{}set style fill solid 0.6\nset boxwidth 0.6\nset yrange [0:1]\nset ylabel 'accuracy of the "
      "read-out'\n"
      "plot $data using 0:2:xtic(1) with boxes linecolor '#1f6fb4' notitle, "
      "$data using 0:2:(sprintf('%.4f', $2)) with labels offset 0,0.8 notitle\n",
      style);
  return table;
}

}  // namespace

AnalysisTable analyse(Analysis what, Session& session, const NetworkFile& file, const Dataset& data,
                      BatchStream& stream, const AnalysisOptions& options) {
  if (options.steps < 1) fail("steps: expected at least 1, found {}", options.steps);
  const auto run = [&](auto analysis) { return analysis(session, file, data, stream, options.steps); };
  switch (what) {
    case Analysis::flips: return run(flips);
    case Analysis::settled: return run(settled);
    case Analysis::overlap: return run(overlap);
    case Analysis::fields: return run(fields);
    case Analysis::leak: return run(leak);
  }
  internal_error("unknown analysis {}", static_cast<int>(what));
}

std::string to_text(const AnalysisTable& table) {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    std::size_t width = table.columns[c].size();
    for (const auto& row : table.rows) width = std::max(width, row[c].size());
    widths.push_back(width);
  }
  std::string text;
  const auto line = [&](const std::vector<std::string>& cells) {
    for (std::size_t c = 0; c < cells.size(); ++c)
      text += fmt::format("{}{:>{}}", c == 0 ? "" : "  ", cells[c], widths[c]);
    text += '\n';
  };
  line(table.columns);
  for (const auto& row : table.rows) line(row);
  return text;
}

std::string to_csv(const AnalysisTable& table) {
  std::string text = fmt::format("{}\n", fmt::join(table.columns, ","));
  for (const auto& row : table.rows) text += fmt::format("{}\n", fmt::join(row, ","));
  return text;
}

}  // namespace relaxon
