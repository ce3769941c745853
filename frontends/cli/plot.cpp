#include "frontends/cli/plot.hpp"

#include <fmt/format.h>

#include "core/file.hpp"
#include "frontends/cli/child.hpp"

namespace relaxon::cli {
namespace {

std::string plot_script(const History& history) {
  std::string script = "$accuracy << END\n";
  bool validation = false;
  for (const EpochRecord& r : history) {
    validation = validation || r.validation_accuracy.has_value();
    script += fmt::format("{} {} {} {}\n", r.epoch, r.train_accuracy, r.test_accuracy,
                          r.validation_accuracy ? fmt::format("{}", *r.validation_accuracy) : "NaN");
  }
  script +=
      "END\n"
      "set terminal svg size 640,400 dynamic font 'sans-serif,13' background 'white'\n"
      "set xlabel 'epoch'\nset ylabel 'accuracy'\nset format x '%.0f'\nset xtics nomirror\nset ytics "
      "nomirror\n"
      "set border 3\nset grid linecolor '#dddddd'\nset key bottom right\nset offsets 0.2, 0.2, 0.01, 0.01\n";
  if (history.size() < 10) script += "set xtics 1\n";
  script +=
      "plot $accuracy using 1:2 with linespoints linewidth 2 pointtype 7 pointsize 0.5 linecolor '#999999' "
      "title 'train', "
      "$accuracy using 1:3 with linespoints linewidth 2 pointtype 7 pointsize 0.5 linecolor '#1f6fb4' title "
      "'test'";
  if (validation) {
    script +=
        ", $accuracy using 1:4 with linespoints linewidth 2 pointtype 7 pointsize 0.5 linecolor '#d8722c' "
        "title 'validation'";
  }
  return script + '\n';
}

}  // namespace

std::optional<std::string> plot_accuracy(const History& history, const std::filesystem::path& path) {
  return draw(plot_script(history), path);
}

std::optional<std::string> draw(const std::string& script, const std::filesystem::path& path) {
  const ChildResult image = run_child({"gnuplot", "--default-settings", "-"}, script);
  if (image.failure) return image.failure;
  if (image.out.find("</svg>") == std::string::npos) return "gnuplot gave no image";
  write_file_atomically(path, image.out);
  return std::nullopt;
}

}  // namespace relaxon::cli
