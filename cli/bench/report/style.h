#pragma once

namespace cli {

/// The style sheet of the report, whole.
extern const char* const report_style;

}  // namespace cli
