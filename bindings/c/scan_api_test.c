/* The interface as a program in C11 sees it. usage: scan_api_test WORKER */
#include "hauberk_scan.h"

#include <stdio.h>
#include <string.h>

static int failures = 0;
#define EXPECT(condition)                                                  \
  do {                                                                     \
    if (!(condition)) {                                                    \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);      \
      ++failures;                                                          \
    }                                                                      \
  } while (0)

static const char bad[] = "\x80\x02" "cposix\nsystem\nU\x02idR.";

int main(int argc, char** argv) {
  hauberk_scan_options options = {.size = sizeof options, .flags = HAUBERK_SCAN_HASH};
  hauberk_scan_finding finding;
  hauberk_scan_result* result;
  if (argc != 2) return 2;
  options.worker = argv[1];
  EXPECT(hauberk_scan_abi() == HAUBERK_SCAN_ABI);
  EXPECT(strlen(hauberk_scan_rules_version()) != 0 && strlen(hauberk_scan_version()) != 0);

  result = hauberk_scan_memory(bad, sizeof bad - 1, "model.pkl", &options);
  EXPECT(hauberk_scan_verdict(result) == HAUBERK_SCAN_MALICIOUS);
  EXPECT(strcmp(hauberk_scan_error(result), "") == 0);
  EXPECT(strcmp(hauberk_scan_format(result), "pickle") == 0);
  EXPECT(strlen(hauberk_scan_sha256(result)) == 64);
  EXPECT(hauberk_scan_finding_count(result) == 1);
  EXPECT(hauberk_scan_get_finding(result, 0, &finding) == 0);
  EXPECT(strcmp(finding.rule, "pickle.dangerous-call") == 0 && strcmp(finding.severity, "critical") == 0);
  EXPECT(strstr(finding.message, "posix.system") != NULL && strlen(finding.fix) != 0);
  EXPECT(hauberk_scan_get_finding(result, 1, &finding) == -1);
  EXPECT(strstr(hauberk_scan_json(result), "\"verdict\":\"malicious\"") != NULL);
  hauberk_scan_free(result);

  options.flags = HAUBERK_SCAN_IN_PROCESS;
  result = hauberk_scan_memory("\x80\x02N.", 4, NULL, &options);
  EXPECT(hauberk_scan_verdict(result) == HAUBERK_SCAN_CLEAN);
  EXPECT(strcmp(hauberk_scan_sha256(result), "") == 0);
  hauberk_scan_free(result);

  options.flags = 0;
  options.worker = "/nowhere/hauberk-scan-worker";
  result = hauberk_scan_memory(bad, sizeof bad - 1, "model.pkl", &options);
  EXPECT(hauberk_scan_verdict(result) == HAUBERK_SCAN_ERROR);
  EXPECT(strstr(hauberk_scan_error(result), "hauberk-scan-worker") != NULL);
  EXPECT(hauberk_scan_finding_count(result) == 0);
  hauberk_scan_free(result);

  result = hauberk_scan_path("/nowhere/at/all", NULL);
  EXPECT(hauberk_scan_verdict(result) == HAUBERK_SCAN_ERROR && strlen(hauberk_scan_error(result)) != 0);
  hauberk_scan_free(result);
  hauberk_scan_free(NULL);
  EXPECT(hauberk_scan_verdict(NULL) == HAUBERK_SCAN_ERROR);
  return failures != 0;
}
