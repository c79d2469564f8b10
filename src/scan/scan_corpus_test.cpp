// Measures the scanner on a corpus of labelled files, if one lies beside the project: a folder with manifest.tsv (path,
// split, verdict, format, why, …), or one that HAUBERK_SCAN_CORPUS names. The samples are only ever scanned.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "scan/scanner.h"

namespace hauberk::scan {
namespace {

struct Sample {
  std::string path, label, format, why;
  Report report;
};

std::string corpus_folder() {
  if (const char* named = std::getenv("HAUBERK_SCAN_CORPUS")) return named;
  return HAUBERK_SOURCE_DIR "/../shared/data/scan";
}

std::vector<Sample> scan_corpus() {
  std::vector<Sample> samples;
  std::ifstream manifest(corpus_folder() + "/manifest.tsv");
  std::string line;
  std::getline(manifest, line);
  while (std::getline(manifest, line)) {
    std::istringstream columns(line);
    Sample sample;
    std::string split;
    std::getline(columns, sample.path, '\t');
    std::getline(columns, split, '\t');
    std::getline(columns, sample.label, '\t');
    std::getline(columns, sample.format, '\t');
    std::getline(columns, sample.why, '\t');
    const auto reader = FileReader::open(corpus_folder() + "/" + sample.path);
    if (!reader) continue;
    sample.report = scan(**reader, sample.path);
    const auto folder = std::filesystem::path(corpus_folder() + "/" + sample.path).parent_path();
    settle_companions(sample.report,
                      [&](const std::string& name) { return std::filesystem::is_regular_file(folder / name); });
    samples.push_back(std::move(sample));
  }
  return samples;
}

TEST(ScanCorpus, malicious_files_are_flagged_and_benign_files_are_not) {
  const auto samples = scan_corpus();
  if (samples.empty()) GTEST_SKIP() << "no labelled corpus at " << corpus_folder();
  std::map<std::string, std::map<std::string, int>> table;
  const bool verbose = std::getenv("HAUBERK_SCAN_VERBOSE") != nullptr;
  for (const auto& sample : samples) {
    const std::string verdict(name(sample.report.verdict));
    ++table[sample.label][verdict];
    if (verbose) {
      std::printf("%s\t%s\t%s\t%s\t%s", sample.label.c_str(), verdict.c_str(), sample.format.c_str(),
                  sample.report.format.c_str(), sample.path.c_str());
      for (const auto& finding : sample.report.findings)
        if (finding.severity != Severity::info) std::printf("\t%s: %s", finding.rule.c_str(), finding.message.c_str());
      std::printf("\t(%s)\n", sample.why.c_str());
    }
  }
  for (const auto& [label, verdicts] : table) {
    std::printf("%-10s", label.c_str());
    for (const auto& [verdict, count] : verdicts) std::printf("  %s %d", verdict.c_str(), count);
    std::printf("\n");
  }
  auto count = [&](const std::string& label, auto&& test) {
    int n = 0;
    for (const auto& sample : samples) n += sample.label == label && test(sample.report.verdict) ? 1 : 0;
    return n;
  };
  const auto any = [](ScanVerdict) { return true; };
  const auto is = [](ScanVerdict wanted) { return [wanted](ScanVerdict v) { return v == wanted; }; };
  const int malicious = count("malicious", any), benign = count("benign", any);
  const int flagged =
      count("malicious", [](ScanVerdict v) { return v == ScanVerdict::malicious || v == ScanVerdict::review; });
  std::printf("%d of %d malicious files flagged, %d let pass; %d of %d benign files clean\n", flagged, malicious,
              count("malicious", is(ScanVerdict::clean)), count("benign", is(ScanVerdict::clean)), benign);
  // Some malicious labels stand on texts that nothing executes (names of modules as values, an old version
  // number); some benign files carry code by design, which is for a person to decide.
  EXPECT_GE(flagged, malicious * 96 / 100);
  EXPECT_GE(count("malicious", is(ScanVerdict::malicious)), malicious * 87 / 100);
  EXPECT_LE(count("malicious", is(ScanVerdict::clean)), malicious * 4 / 100);
  EXPECT_GE(count("benign", is(ScanVerdict::clean)), benign * 96 / 100);
  for (const auto& sample : samples) {
    if (sample.label == "malformed") EXPECT_NE(sample.report.verdict, ScanVerdict::clean) << sample.path;
    if (sample.label == "benign") EXPECT_NE(sample.report.verdict, ScanVerdict::malicious) << sample.path;
  }
}

}  // namespace
}  // namespace hauberk::scan
