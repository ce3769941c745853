// relaxon lint FILE
#include "frontends/lint/lint.hpp"

#include <memory>

#include "frontends/cli/command.hpp"
#include "frontends/cli/options.hpp"
#include "frontends/cli/output.hpp"

namespace relaxon::cli {

Command add_lint(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("lint", "Find what is legal in a network file but probably wrong");
  const auto options = std::make_shared<NetworkOptions>();
  options->add_to(*parser);
  return {parser, [options] {
            const NetworkFile file = options->load();
            const std::vector<Finding> findings = lint(file.network, file.lint.allow);
            for (const Finding& finding : findings) print_line(to_string(finding));
            return findings.empty() ? exit_done : exit_bad_input;
          }};
}

}  // namespace relaxon::cli
