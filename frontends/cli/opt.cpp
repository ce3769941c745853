// relaxon opt FILE.rx
#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include "core/error.hpp"
#include "core/file.hpp"
#include "frontends/cli/command.hpp"
#include "frontends/cli/output.hpp"
#include "ir/text.hpp"
#include "ir/verify.hpp"

namespace relaxon::cli {
namespace {

constexpr std::uint64_t max_text_bytes = std::uint64_t{1} << 26;

struct OptOptions {
  std::string file, passes;
};

std::string read_standard_input() {
  std::string text;
  std::array<char, 1 << 16> block{};
  while (const std::size_t n = std::fread(block.data(), 1, block.size(), stdin)) {
    text.append(block.data(), n);
    if (text.size() > max_text_bytes)
      fail("standard input: expected at most {} bytes, found more", max_text_bytes);
  }
  if (std::ferror(stdin) != 0) fail("standard input: cannot be read");
  return text;
}

int opt(const OptOptions& options) {
  if (!options.passes.empty()) {
    const std::string name = options.passes.substr(0, options.passes.find(','));
    throw UsageError(fmt::format("--passes: {} is not a pass; there are none yet, expected \"\"", name));
  }
  const bool standard = options.file == "-";
  const Graph graph = parse(standard ? read_standard_input() : read_file(options.file, max_text_bytes),
                            standard ? "standard input" : options.file);
  verify(graph);
  print_out(print(graph));
  return exit_done;
}

}  // namespace

Command add_opt(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("opt", "Read IR text, apply passes, verify, print IR text");
  const auto options = std::make_shared<OptOptions>();
  parser->add_option("FILE", options->file, "IR text; - for standard input")->required();
  parser->add_option("--passes", options->passes, "Passes to apply, in order; \"\" for none")
      ->type_name("A,B,..");
  return {parser, [options] { return opt(*options); }};
}

}  // namespace relaxon::cli
