// relaxon opt FILE.rx
#include <array>
#include <cstdio>
#include <memory>
#include <string>

#include "core/error.hpp"
#include "core/file.hpp"
#include "frontends/cli/command.hpp"
#include "frontends/cli/options.hpp"
#include "frontends/cli/output.hpp"
#include "ir/text.hpp"
#include "ir/verify.hpp"
#include "passes/pipeline.hpp"

namespace relaxon::cli {
namespace {

constexpr std::uint64_t max_text_bytes = std::uint64_t{1} << 26;

struct OptOptions {
  std::string file, passes = "default";
  bool print_after_all = false, verify_each = false;
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
  PassOptions passes;
  passes.selection = passes_named("--passes", options.passes);
  if (options.print_after_all) {
    passes.observer = [](const PassRecord& record, const Graph& graph) {
      print_out(fmt::format("-- after {}\n{}\n", record.name, print(graph)));
    };
  }
  const bool standard = options.file == "-";
  const Graph graph = parse(standard ? read_standard_input() : read_file(options.file, max_text_bytes),
                            standard ? "standard input" : options.file);
  verify(graph);
  print_out(print(passes.selection.passes().empty() ? graph : optimise(graph, passes)));
  return exit_done;
}

}  // namespace

Command add_opt(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("opt", "Read IR text, apply passes, verify, print IR text");
  const auto options = std::make_shared<OptOptions>();
  parser->add_option("FILE", options->file, "IR text; - for standard input")->required();
  parser
      ->add_option("--passes", options->passes,
                   "Passes: default, none, a list a,b or default,-a; \"\" for none at all")
      ->type_name("PASSES")
      ->capture_default_str();
  parser->add_flag("--print-after-all", options->print_after_all,
                   "Print the graph after each pass that changed it");
  parser->add_flag("--verify-each", options->verify_each, "Verify after each pass; always done");
  return {parser, [options] { return opt(*options); }};
}

}  // namespace relaxon::cli
