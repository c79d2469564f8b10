#include "adapters/catalog_sqlite_schema.h"

namespace hauberk::adapters {
namespace {

constexpr const char* migrations[] = {
    R"sql(
CREATE TABLE artifacts (
  digest   BLOB PRIMARY KEY CHECK (length(digest) = 32),
  manifest TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE versions (
  name        TEXT NOT NULL,
  number      INTEGER NOT NULL CHECK (number > 0),
  state       TEXT NOT NULL,
  artifact    BLOB NOT NULL REFERENCES artifacts (digest),
  imported_by TEXT NOT NULL,
  imported    INTEGER NOT NULL,
  origin      TEXT NOT NULL,
  PRIMARY KEY (name, number),
  UNIQUE (name, artifact),
  UNIQUE (name, number, artifact)
) STRICT;
CREATE INDEX versions_by_artifact ON versions (artifact);

CREATE TABLE evidence (
  sequence INTEGER PRIMARY KEY,
  id       BLOB NOT NULL CHECK (length(id) = 32),
  artifact BLOB NOT NULL CHECK (length(artifact) = 32),
  envelope TEXT NOT NULL,
  UNIQUE (artifact, id)
) STRICT;

CREATE TABLE wrapped_keys (
  blob        BLOB NOT NULL CHECK (length(blob) = 32),
  environment TEXT NOT NULL,
  key_id      TEXT NOT NULL,
  wrapped     BLOB NOT NULL,
  PRIMARY KEY (blob, environment)
) STRICT, WITHOUT ROWID;

CREATE TABLE deployment_entries (
  environment TEXT NOT NULL,
  name        TEXT NOT NULL,
  id          INTEGER NOT NULL CHECK (id > 0),
  model       TEXT,
  version     INTEGER,
  artifact    BLOB,
  config      TEXT NOT NULL,
  time        INTEGER NOT NULL,
  subject     TEXT NOT NULL,
  reason      TEXT NOT NULL,
  PRIMARY KEY (environment, name, id),
  CHECK ((model IS NULL) = (version IS NULL) AND (model IS NULL) = (artifact IS NULL)),
  FOREIGN KEY (model, version, artifact) REFERENCES versions (name, number, artifact)
) STRICT;

CREATE TABLE deployments (
  environment TEXT NOT NULL,
  name        TEXT NOT NULL,
  current     INTEGER NOT NULL,
  PRIMARY KEY (environment, name),
  FOREIGN KEY (environment, name, current) REFERENCES deployment_entries (environment, name, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
  environment TEXT NOT NULL,
  id          TEXT NOT NULL,
  subject     TEXT NOT NULL,
  scopes      TEXT NOT NULL,
  mac         BLOB NOT NULL CHECK (length(mac) = 32),
  created     INTEGER NOT NULL,
  expires     INTEGER,
  revoked     INTEGER,
  PRIMARY KEY (environment, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE changes (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), counter INTEGER NOT NULL) STRICT;
INSERT INTO changes VALUES (1, 0);

-- History is written once. These stop a mistake of ours; who tampers with the file meets the signatures.
CREATE TRIGGER artifacts_stay BEFORE UPDATE ON artifacts BEGIN SELECT RAISE(ABORT, 'artifacts do not change'); END;
CREATE TRIGGER evidence_stays BEFORE UPDATE ON evidence BEGIN SELECT RAISE(ABORT, 'evidence does not change'); END;
CREATE TRIGGER evidence_remains BEFORE DELETE ON evidence BEGIN SELECT RAISE(ABORT, 'evidence is not deleted'); END;
CREATE TRIGGER entries_stay BEFORE UPDATE ON deployment_entries BEGIN SELECT RAISE(ABORT, 'history does not change'); END;
CREATE TRIGGER entries_remain BEFORE DELETE ON deployment_entries BEGIN SELECT RAISE(ABORT, 'history is not deleted'); END;
)sql",
    R"sql(
ALTER TABLE tokens ADD COLUMN service INTEGER NOT NULL DEFAULT 0 CHECK (service IN (0, 1));
ALTER TABLE tokens ADD COLUMN inherit INTEGER NOT NULL DEFAULT 0 CHECK (inherit IN (0, 1));

CREATE TABLE roles (
  environment TEXT NOT NULL,
  name        TEXT NOT NULL,
  grants      TEXT NOT NULL,
  summary     TEXT NOT NULL,
  PRIMARY KEY (environment, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE bindings (
  environment TEXT NOT NULL,
  subject     TEXT NOT NULL,
  role        TEXT NOT NULL,
  pattern     TEXT NOT NULL,
  PRIMARY KEY (environment, subject, role, pattern)
) STRICT, WITHOUT ROWID;
)sql",
    R"sql(
CREATE TABLE revocations (
  sequence    INTEGER PRIMARY KEY,
  environment TEXT NOT NULL,
  thing       TEXT NOT NULL,
  value       TEXT NOT NULL,
  reason      TEXT NOT NULL,
  since       INTEGER NOT NULL,
  subject     TEXT NOT NULL,
  UNIQUE (environment, thing, value)
) STRICT;
CREATE TRIGGER revocations_stay BEFORE UPDATE ON revocations BEGIN SELECT RAISE(ABORT, 'revocations do not change'); END;
CREATE TRIGGER revocations_remain BEFORE DELETE ON revocations BEGIN SELECT RAISE(ABORT, 'revocations are not deleted'); END;
)sql",
    R"sql(
CREATE TABLE earlier_revocations (
  sequence    INTEGER PRIMARY KEY,
  environment TEXT NOT NULL,
  thing       TEXT NOT NULL,
  value       TEXT NOT NULL,
  reason      TEXT NOT NULL,
  since       INTEGER NOT NULL,
  subject     TEXT NOT NULL,
  UNIQUE (environment, thing, value, since)
) STRICT;
INSERT INTO earlier_revocations SELECT sequence, environment, thing, value, reason, since, subject FROM revocations;
DROP TABLE revocations;
ALTER TABLE earlier_revocations RENAME TO revocations;
CREATE TRIGGER revocations_stay BEFORE UPDATE ON revocations BEGIN SELECT RAISE(ABORT, 'revocations do not change'); END;
CREATE TRIGGER revocations_remain BEFORE DELETE ON revocations BEGIN SELECT RAISE(ABORT, 'revocations are not deleted'); END;
)sql",
    R"sql(
ALTER TABLE tokens ADD COLUMN made_by TEXT NOT NULL DEFAULT '[]';
ALTER TABLE tokens ADD COLUMN mark BLOB NOT NULL DEFAULT x'';
ALTER TABLE roles ADD COLUMN seal TEXT NOT NULL DEFAULT '';
ALTER TABLE bindings ADD COLUMN seal TEXT NOT NULL DEFAULT '';
)sql",
};

}  // namespace

std::span<const char* const> catalog_migrations() { return migrations; }

}  // namespace hauberk::adapters
