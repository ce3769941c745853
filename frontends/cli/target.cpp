// relaxon target
#include "core/target.hpp"

#include "frontends/cli/command.hpp"
#include "frontends/cli/output.hpp"
#include "runtime/target.hpp"

namespace relaxon::cli {

Command add_target(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("target", "Measure this machine; print what plans can be made for");
  return {parser, [] {
            print_line(print(measured_target()));
            return exit_done;
          }};
}

}  // namespace relaxon::cli
