#pragma once

#include <string>
#include <string_view>
#include <vector>

/// How the report writes numbers, and words that it was given.
namespace cli {

/// `text` for the page: nothing in it is markup, and nothing can steer.
[[nodiscard]] std::string html(std::string_view text);

/// "85 ns", "12.3 µs", "1.20 ms": three digits, and a space that does not break.
[[nodiscard]] std::string time_text(double nanoseconds);
/// "81,300", "1.23 million".
[[nodiscard]] std::string count_text(double count);
/// The same, as short as a tick of an axis has to be: "500", "20 k", "3 M".
[[nodiscard]] std::string short_count(double count);
/// "1.23 GB/s", in powers of ten as such rates are.
[[nodiscard]] std::string bandwidth_text(double bytes_per_second);
/// "64 KiB", "1.5 MiB".
[[nodiscard]] std::string bytes_text(double bytes);
/// Of something that is `times` as large: "1.84", "0.95", "340".
[[nodiscard]] std::string times_text(double times);
/// "1, 2, 3". GCC 12 cries wolf over fmt::join in a release.
[[nodiscard]] std::string joined(const std::vector<std::string>& words, std::string_view between);
/// "pipes, queues and signals".
[[nodiscard]] std::string listed(const std::vector<std::string>& words);

}  // namespace cli
