/* libhauberk_scan: what would happen if a model file were loaded, without loading it.
 *
 * Data is read in a child process that has given up everything but memory and the processor; the child's death is an
 * INCONCLUSIVE report and not yours. A result is never NULL unless memory is used up; what went wrong is in
 * hauberk_scan_error(). Texts belong to the result, are UTF-8 and end with it. Every function may be called from any
 * thread; a result by one at a time. The interface only grows: hauberk_scan_abi() counts, old programs keep working.
 */
#ifndef HAUBERK_SCAN_H
#define HAUBERK_SCAN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HAUBERK_SCAN_ABI 1

enum {
  HAUBERK_SCAN_HASH = 1,        /* also compute the SHA-256, which reads all of the file */
  HAUBERK_SCAN_BEST_EFFORT = 2, /* scan even where the kernel lacks a layer of the confinement */
  HAUBERK_SCAN_IN_PROCESS = 4   /* no child: for programs that are a sandbox themselves */
};

enum {
  HAUBERK_SCAN_ERROR = -1, /* nothing was scanned: hauberk_scan_error() says why */
  HAUBERK_SCAN_CLEAN = 0,
  HAUBERK_SCAN_REVIEW = 1,
  HAUBERK_SCAN_MALICIOUS = 2,
  HAUBERK_SCAN_MALFORMED = 3,
  HAUBERK_SCAN_INCONCLUSIVE = 4
};

typedef struct hauberk_scan_options {
  uint32_t size;          /* sizeof(hauberk_scan_options): fields behind it are new and take their defaults */
  uint32_t flags;         /* 0 */
  uint32_t time_limit_ms; /* for one file; 0: five minutes */
  uint32_t reserved;      /* 0 */
  uint64_t memory;        /* of the child, bytes; 0: 1 GiB */
  const char* worker;     /* the program hauberk-scan-worker; NULL: beside the library */
} hauberk_scan_options;

typedef struct hauberk_scan_finding {
  const char* rule;     /* "pickle.dangerous-call" */
  const char* severity; /* "info", "low", "medium", "high", "critical" */
  const char* file;     /* "model.pt!archive/data.pkl" */
  uint64_t offset;
  const char* pointer; /* where in a structure; may be empty */
  const char* message; /* what it would do */
  const char* excerpt; /* masked; may be empty */
  const char* fix;     /* what to do */
} hauberk_scan_finding;

typedef struct hauberk_scan_result hauberk_scan_result;

int hauberk_scan_abi(void);
const char* hauberk_scan_version(void);
const char* hauberk_scan_rules_version(void); /* reports of another version are stale */

/* `options` may be NULL. The name decides what a name may decide: whether the content is what it promises. */
hauberk_scan_result* hauberk_scan_path(const char* path, const hauberk_scan_options* options);
hauberk_scan_result* hauberk_scan_descriptor(int descriptor, const char* name, const hauberk_scan_options* options);
hauberk_scan_result* hauberk_scan_memory(const void* data, size_t size, const char* name,
                                         const hauberk_scan_options* options);
void hauberk_scan_free(hauberk_scan_result* result);

int hauberk_scan_verdict(const hauberk_scan_result* result);
const char* hauberk_scan_error(const hauberk_scan_result* result);  /* empty if there was none */
const char* hauberk_scan_format(const hauberk_scan_result* result); /* "torch-zip" */
const char* hauberk_scan_sha256(const hauberk_scan_result* result); /* hex; empty unless asked for */
size_t hauberk_scan_finding_count(const hauberk_scan_result* result);
/* 0, or -1 if there is no such finding. */
int hauberk_scan_get_finding(const hauberk_scan_result* result, size_t index, hauberk_scan_finding* out);
const char* hauberk_scan_json(const hauberk_scan_result* result); /* as `hauberk scan --json` writes one file */

#ifdef __cplusplus
}
#endif

#endif
