#include "bench/report.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <vector>

#include "bench/report/gnuplot.h"
#include "bench/report/machine.h"
#include "bench/report/plots.h"
#include "bench/report/results.h"
#include "bench/report/style.h"
#include "bench/report/tables.h"
#include "bench/report/words.h"
#include "output.h"
#include "tincan/descriptor.h"

namespace cli {

namespace {

constexpr const char* page_title = "Unix socket, pipe, TCP, or shared memory?";
constexpr const char* page_description =
    "How fast two processes on one Linux machine can talk, and what they pay for it: measured for "
    "Unix sockets, pipes, TCP and UDP on loopback, message queues and shared memory.";

struct PageChapter {
  const char* name;
  const char* heading;
  std::string text;
};

std::vector<PageChapter> chapters_of(const Results& results) {
  std::vector<PageChapter> chapters = {
      {"plots", "In pictures", plots_of(results)},
      {"words", "In words", words_of(results) + advice_of(results)},
      {"claims", "The claims of the article and of IPC-Bench", claims_of(results)},
      {"tables", "All numbers", tables_of(results)},
      {"ways", "What was measured", list_of_ways(results)},
      {"machine", "The machine", machine_of(results) + commands_of(results)}};
  std::erase_if(chapters, [](const PageChapter& chapter) { return chapter.text.empty(); });
  return chapters;
}

std::string page_of(const Results& results) {
  std::string links;
  std::string main;
  for (const auto& [name, heading, text] : chapters_of(results)) {
    links += fmt::format("<li><a href=\"#{}\">{}</a></li>", name, heading);
    main += fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n", name, heading, text);
  }
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{0}</title>\n<meta name=\"description\" "
      "content=\"{1}\">\n<style>{2}</style>\n</head>\n"
      "<body>\n<header>\n<h1>{0}</h1>\n{3}{4}{5}<nav aria-label=\"Chapters\"><ul>{6}</ul></nav>\n"
      "</header>\n<main>\n{7}</main>\n<footer>Written by <code>tincan bench</code>; the plots are "
      "gnuplot’s. This page needs nothing but itself.</footer>\n</body>\n</html>\n",
      page_title, page_description, report_style, origin_of(results), summary_of(results),
      warnings_of(results), links, main);
}

[[noreturn]] void refuse_page(const std::string& path, int error) {
  throw std::runtime_error(
      fmt::format("cannot write {}: {}", path, std::generic_category().message(error)));
}

/// Whoever has the page open, or is sent it meanwhile, has the old one or the new one.
void replace_page(const std::string& path, const std::string& page) {
  std::string temporary = path + ".XXXXXX";
  const tincan::Descriptor file(::mkostemp(temporary.data(), O_CLOEXEC));
  if (file.get() < 0) refuse_page(path, errno);
  int error = write_all(file.get(), page);
  // mkostemp keeps it to ourselves; a page is for others, as far as the umask lets them.
  const mode_t mask = ::umask(0);
  ::umask(mask);
  if (error == 0 && ::fchmod(file.get(), 0666 & ~mask) != 0) error = errno;
  if (error == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return;
  ::unlink(temporary.c_str());
  refuse_page(path, error);
}

}  // namespace

void prepare_report(const std::string& directory) {
  [[maybe_unused]] const std::string something =
      drawn_by_gnuplot("set terminal svg\nplot [0:1] x\n");
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  if (failed) refuse_page(directory, failed.value());
  if (::access(directory.c_str(), W_OK | X_OK) != 0) refuse_page(directory, errno);
}

void write_report(const Json& results, const std::string& directory) {
  prepare_report(directory);
  const std::string page = page_of(Results(results));
  replace_page((std::filesystem::path(directory) / "index.html").string(), page);
}

}  // namespace cli
