"""Tables of a run's metric file, shared by the writer and the reader.

``points`` holds every value. ``pyramid`` holds summaries of full buckets of 16, 256, 4096, ... consecutive
points of a series within a segment, so that a chart of any length needs a bounded number of rows and no
spike is lost. A segment is one attempt of the run: a resumed run opens a new one at its checkpoint's step;
where two segments overlap the newer one counts and the older is shown as a ghost. ``histograms`` holds counts
of weights and gradients (see :mod:`llm_playground.monitoring.histograms`).
"""

from __future__ import annotations

FACTOR = 16
SCHEMA = """
CREATE TABLE IF NOT EXISTS segments (id INTEGER PRIMARY KEY, first_step INTEGER NOT NULL, time REAL NOT NULL);
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS points (
  id INTEGER PRIMARY KEY, series INTEGER NOT NULL, segment INTEGER NOT NULL, position INTEGER NOT NULL,
  step INTEGER NOT NULL, tokens INTEGER, flops REAL, time REAL NOT NULL, value REAL
);
CREATE UNIQUE INDEX IF NOT EXISTS points_by_position ON points (series, segment, position);
CREATE TABLE IF NOT EXISTS pyramid (
  series INTEGER NOT NULL, segment INTEGER NOT NULL, level INTEGER NOT NULL, bucket INTEGER NOT NULL,
  first_step INTEGER NOT NULL, last_step INTEGER NOT NULL, n INTEGER NOT NULL, low REAL, high REAL,
  total REAL NOT NULL, last REAL, non_finite INTEGER NOT NULL,
  PRIMARY KEY (series, segment, level, bucket)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS histograms (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, segment INTEGER NOT NULL, step INTEGER NOT NULL,
  time REAL NOT NULL, counts BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS histograms_by_name ON histograms (name, id);
"""
