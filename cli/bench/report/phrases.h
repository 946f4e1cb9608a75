#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "bench/report/results.h"

/// Sentences out of numbers. What was not measured gives an empty one, and what the numbers
/// contradict is not said: each is worded by the comparison itself.
namespace cli {

/// "A pipe takes 12 % less time than a Unix socket", "… is 2.40 times as fast as …", "… takes about
/// as long as …". Without a full stop.
[[nodiscard]] std::string compared_words(const Comparison& comparison, std::string_view what,
                                         std::string_view other);

/// Of `way`, the median of an operation: "14.1 µs".
[[nodiscard]] std::optional<std::string> median_words(const Json* table, std::string_view way);
/// Of both sides: "8.20 µs".
[[nodiscard]] std::optional<std::string> cpu_words(const Json* table, std::string_view way);
/// "127,000", of operations a second.
[[nodiscard]] std::optional<std::string> rate_words(const Json* table, std::string_view way);

/// At which sizes `way` takes less time than `other`, and at which more: "It is faster at 64 bytes
/// and 1 KiB, and slower at 64 KiB." Empty: they share no table.
[[nodiscard]] std::string sizes_words(const Results& results, std::string_view work,
                                      std::string_view way, std::string_view other);
/// Whether there is a size at which it is faster.
[[nodiscard]] bool is_faster_somewhere(const Results& results, std::string_view work,
                                       std::string_view way, std::string_view other);

/// "with each process on its own CPU".
[[nodiscard]] std::string placement_words(const Json& table);
/// The sentence with a large letter in front.
[[nodiscard]] std::string sentence(std::string words);
[[nodiscard]] std::string section(std::string_view heading, std::string_view paragraphs);
[[nodiscard]] std::string paragraph(std::string_view sentences);

}  // namespace cli
