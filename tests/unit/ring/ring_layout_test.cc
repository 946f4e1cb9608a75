#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "ring/layout.h"

/// Holds the tables of docs/ring-layout.md against the code.
namespace tincan::ring {
namespace {

using Cells = std::vector<std::string>;

Cells cells_of(const std::string& line) {
  Cells cells;
  std::size_t from = 1;
  for (std::size_t to; (to = line.find('|', from)) != std::string::npos; from = to + 1) {
    std::string cell = line.substr(from, to - from);
    std::erase(cell, '`');
    const std::size_t first = cell.find_first_not_of(' ');
    cells.push_back(first == std::string::npos
                        ? ""
                        : cell.substr(first, cell.find_last_not_of(' ') - first + 1));
  }
  return cells;
}

/// The rows of the table whose head begins with `column`.
std::vector<Cells> table(const std::string& column) {
  std::ifstream file(TINCAN_SOURCE_DIR "/docs/ring-layout.md");
  std::vector<Cells> rows;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (inside && !line.starts_with('|')) break;
    if (inside && !line.starts_with("|---")) rows.push_back(cells_of(line));
    if (line.starts_with("| " + column + " |")) inside = true;
  }
  EXPECT_FALSE(rows.empty()) << "no table " << column;
  return rows;
}

struct Place {
  std::size_t offset;
  std::string type;
  std::string at_first;
  bool operator==(const Place&) const = default;
};

void PrintTo(const Place& place, std::ostream* out) {
  *out << place.offset << " " << place.type << " " << place.at_first;
}

/// From the first byte of the words to the first of `word`.
template <class T>
Place place_of(const Words& words, const std::atomic<T>& word) {
  const auto* first = reinterpret_cast<const std::byte*>(&words);
  return {static_cast<std::size_t>(reinterpret_cast<const std::byte*>(&word) - first),
          "u" + std::to_string(8 * sizeof(T)), std::to_string(word.load())};
}

TEST(RingLayout, WordsLieWhereThePageSaysAndNoOthers) {
  std::map<std::string, Place> page;
  for (const Cells& row : table("Offset")) page[row[1]] = {std::stoul(row[0]), row[2], row[3]};
  const Words words;
  const std::map<std::string, Place> code = {
      {"produced", place_of(words, words.produced)},
      {"descriptor_sets", place_of(words, words.descriptor_sets)},
      {"consumed", place_of(words, words.consumed)},
      {"sleep", place_of(words, words.sleep)},
      {"cpu", place_of(words, words.cpu)},
  };
  EXPECT_EQ(page, code);
  EXPECT_EQ(page["produced"].offset, offsetof(Words, produced));
  EXPECT_EQ(page["consumed"].offset, offsetof(Words, consumed));
  // A word that the page does not know would make them larger.
  EXPECT_EQ(sizeof(Words), 3 * separation_bytes);
}

TEST(RingLayout, BytesAndCapacitiesAreWhatThePageSays) {
  std::vector<std::size_t> page;
  for (const Cells& row : table("What")) page.push_back(std::stoul(row[1]));
  EXPECT_EQ(page, (std::vector{ring_offset_bytes, capacity_bytes_min, capacity_bytes_max}));
  EXPECT_TRUE(is_capacity(capacity_bytes_min) && is_capacity(capacity_bytes_max));
  EXPECT_FALSE(is_capacity(capacity_bytes_min / 2) || is_capacity(capacity_bytes_max * 2));
  EXPECT_FALSE(is_capacity(capacity_bytes_min + 4096)) << "no power of two";
}

TEST(RingLayout, BitsOfTheSleepWordAreWhatThePageSays) {
  std::map<std::string, std::uint32_t> page;
  for (const Cells& row : table("Bit")) {
    page[row[1]] = static_cast<std::uint32_t>(std::stoul(row[0]));
  }
  EXPECT_EQ(page, (std::map<std::string, std::uint32_t>{{"sleeps_for_bytes", sleeps_for_bytes},
                                                        {"sleeps_for_room", sleeps_for_room},
                                                        {"ring_revoked", ring_revoked},
                                                        {"a count", sleep_count_step}}));
}

}  // namespace
}  // namespace tincan::ring
