// What the program prints: results on standard output, everything else on standard error.
#pragma once

#include <string_view>

namespace relaxon::cli {

/// Whoever read standard output has stopped reading.
class OutputClosed {};

/// Writes text to standard output and flushes it. Throws OutputClosed, or Error when it can't be written.
void print_out(std::string_view text);
/// print_out with a line's end.
void print_line(std::string_view line);

/// "relaxon: message" on standard error; one line whatever is in the message.
void print_message(std::string_view message);

}  // namespace relaxon::cli
