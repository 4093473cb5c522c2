-- A store as version 2 wrote it: its tables, and a meeting of each kind.
CREATE TABLE recordings (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    meeting_id TEXT NOT NULL,
    backend TEXT NOT NULL,
    fallback TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    notes TEXT NOT NULL DEFAULT '[]',
    created TEXT NOT NULL,
    updated TEXT NOT NULL,
    request TEXT NOT NULL,
    audio_bytes INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    progress REAL,
    step TEXT NOT NULL DEFAULT '',
    backend_state TEXT NOT NULL DEFAULT '',
    next_poll REAL NOT NULL DEFAULT 0.0,
    cleanup_after REAL
);
CREATE TABLE transcript_chunks (
    recording_id TEXT NOT NULL REFERENCES recordings (id),
    document_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    utterances BLOB NOT NULL,
    PRIMARY KEY (recording_id, document_id, number)
);
CREATE TABLE transcripts (
    recording_id TEXT PRIMARY KEY REFERENCES recordings (id),
    document_id TEXT NOT NULL,
    chunks INTEGER NOT NULL,
    header BLOB NOT NULL
);
CREATE INDEX recordings_by_meeting ON recordings (meeting_id, number);
CREATE INDEX recordings_open ON recordings (backend) WHERE state = 'Processing';
CREATE INDEX recordings_to_clean ON recordings (cleanup_after) WHERE cleanup_after IS NOT NULL;
PRAGMA user_version = 2;

INSERT INTO recordings (number, id, meeting_id, backend, state, notes, created, updated, request,
    audio_bytes, progress, backend_state, next_poll, cleanup_after) VALUES
(1, printf('%032x', 1), 'owner/completed', 'local', 'Completed', '[]', '2026-11-25T22:43:24.399753+00:00', '2026-11-25T22:43:24.399753+00:00',
    '{"meeting_id": "owner/completed", "audio": {"sample_rate": 16000, "channels": 1}, "mode": "stored", "language": "en-US", "differentiate_speakers": true, "max_speakers": null, "attendees": [], "phrases": [], "word_timestamps": false, "notes": [], "addresses": [], "languages": [], "settings": {}, "immediate": true, "participants": 0}',
    32000, 1.0, '', 0.0, NULL),
(2, printf('%032x', 2), 'owner/processing', 'batch', 'Processing', '["Cut."]', '2026-11-25T22:43:24.399753+00:00', '2026-11-25T22:43:24.399753+00:00',
    '{"meeting_id": "owner/processing", "audio": {"sample_rate": 16000, "channels": 1}, "mode": "stored", "language": "en-US", "differentiate_speakers": true, "max_speakers": null, "attendees": [], "phrases": [], "word_timestamps": false, "notes": [], "addresses": [], "languages": [], "settings": {}, "immediate": true, "participants": 0}',
    32000, NULL, '{"stage": "recorded"}', 5.0, NULL),
(3, printf('%032x', 3), 'uploading', 'local', 'Uploading', '[]', '2026-11-25T22:43:24.399753+00:00', '2026-11-25T22:43:24.399753+00:00',
    '{"meeting_id": "uploading", "audio": {"sample_rate": 16000, "channels": 1}, "mode": "both", "language": "en-US", "differentiate_speakers": true, "max_speakers": null, "attendees": [], "phrases": [], "word_timestamps": false, "notes": [], "addresses": [], "languages": [], "settings": {}, "immediate": true, "participants": 0}',
    NULL, NULL, '', 0.0, NULL),
(4, printf('%032x', 4), 'deleted', 'batch', 'Deleted', '[]', '2026-11-25T22:43:24.399753+00:00', '2026-11-25T22:43:24.399753+00:00',
    '{"meeting_id": "deleted", "audio": {"sample_rate": 16000, "channels": 1}, "mode": "stored", "language": "en-US", "differentiate_speakers": true, "max_speakers": null, "attendees": [], "phrases": [], "word_timestamps": false, "notes": [], "addresses": [], "languages": [], "settings": {}, "immediate": true, "participants": 0}',
    NULL, NULL, '', 0.0, 0.0);
INSERT INTO transcript_chunks VALUES (printf('%032x', 1), 'document', 0, X'5B7B226368616E6E656C223A6E756C6C2C226475726174696F6E223A31302C226964223A223030303030303030303030303030303030303030303030303030303030303030222C226C616E6775616765223A6E756C6C2C226F6666736574223A302C227061727469636970616E74223A6E756C6C2C22737065616B6572223A302C2274657874223A22476F6F64206D6F726E696E672E222C22776F726473223A5B5D7D5D');
INSERT INTO transcripts VALUES (printf('%032x', 1), 'document', 1, X'7B226475726174696F6E223A31303030303030302C226D656574696E675F6964223A226F776E65722F636F6D706C65746564222C2270726F76656E616E6365223A7B226261636B656E64223A226C6F63616C222C22656D756C61746564223A5B5D2C226E6F746573223A5B5D2C2276657273696F6E223A2231227D2C227574746572616E636573223A5B5D7D');
