#include "frontends/compile_report.hpp"

#include <fmt/format.h>

namespace relaxon {
namespace {

/// Stages with their times, some a line.
std::string stage_lines(const std::vector<StageTime>& stages) {
  constexpr std::size_t width = 100;
  std::string text, line;
  for (const StageTime& s : stages) {
    const std::string item = fmt::format("{} {:.2f} ms", s.stage, s.milliseconds);
    if (line.size() + item.size() > width) {
      text += line + ",\n";
      line.clear();
    }
    line += fmt::format("{}{}", line.empty() ? "  " : ", ", item);
  }
  return line.empty() ? text : text + line + "\n";
}

}  // namespace

std::string to_text(const CompileReport& report) {
  std::string text;
  for (const CompiledProgram& p : report.programs) {
    text += fmt::format("{}: {}", p.name, p.why);
    if (p.code) {
      text += fmt::format("; {} functions, {}", p.code->functions, jit::origin_of(*p.code));
    }
    text += "\n" + stage_lines(p.stages);
    if (!p.code) continue;
    for (const std::string& step : p.code->left_out) text += fmt::format("  not generated: {}\n", step);
  }
  return text + fmt::format("{} programs, {} from the cache, {:.1f} ms\n", report.compiles, report.cache_hits,
                            report.milliseconds);
}

nlohmann::ordered_json to_json(const CompileReport& report) {
  nlohmann::ordered_json programs = nlohmann::ordered_json::array();
  for (const CompiledProgram& p : report.programs) {
    nlohmann::ordered_json stages = nlohmann::ordered_json::array(), code;
    for (const StageTime& s : p.stages) stages.push_back({{"stage", s.stage}, {"ms", s.milliseconds}});
    if (p.code) {
      code = {{"functions", p.code->functions},
              {"made_before", p.code->made_before},
              {"from_cache", p.code->from_cache},
              {"why_compiled", p.code->why},
              {"not_generated", p.code->left_out}};
    }
    programs.push_back({{"name", p.name}, {"why", p.why}, {"stages", std::move(stages)}, {"code", code}});
  }
  return {{"programs", std::move(programs)},
          {"compiles", report.compiles},
          {"cache_hits", report.cache_hits},
          {"ms", report.milliseconds}};
}

}  // namespace relaxon
