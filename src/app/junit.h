// JUnit's XML for scans, as CI systems read it: one test case for each file; what was found is a failure, what could
// not be looked at to the end an error. Source: the schema that Jenkins and GitLab accept. Pure.
#pragma once

#include <span>
#include <string>

#include "scan/report.h"

namespace hauberk::app {

std::string to_junit(std::span<const scan::Report> reports, double seconds);

}  // namespace hauberk::app
