-- A store as version 1 wrote it: its tables, and meetings in every state.
CREATE TABLE recordings (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    meeting_id TEXT NOT NULL,
    backend TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    notes TEXT NOT NULL DEFAULT '[]',
    created TEXT NOT NULL,
    updated TEXT NOT NULL,
    request TEXT NOT NULL,
    audio_bytes INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    progress REAL,
    details TEXT NOT NULL DEFAULT '{}'
);
CREATE INDEX recordings_by_meeting ON recordings (meeting_id, number);
CREATE TABLE transcripts (
    recording_id TEXT PRIMARY KEY REFERENCES recordings (id),
    document TEXT NOT NULL
);
PRAGMA user_version = 1;

CREATE TEMPORARY TABLE given (number, name, backend, state, details);
INSERT INTO given VALUES
(2, 'uploading', 'local', 'Uploading', '{}'),
(4, 'auto', 'auto', 'Processing', '{}'),
(6, 'local', 'local', 'Processing', '{}'),
(8, 'recorded', 'batch', 'Processing', '{"parts": "[[0, 16000, null], [16000, 8000, 1]]"}'),
(10, 'half', 'batch', 'Processing',
    '{"parts": "[[0, 16000, null], [16000, 8000, 1]]", "sent": "1", "step": "uploading, 50%"}'),
(12, 'uploaded', 'batch', 'Processing',
    '{"parts": "[[0, 16000, null], [16000, 8000, 1]]", "sent": "2", "uploaded": "yes"}'),
(14, 'submitting', 'batch', 'Processing',
    '{"parts": "[[0, 16000, null], [16000, 8000, 1]]", "sent": "2", "uploaded": "yes", "submitting": "yes", "again": "2"}'),
(16, 'submitted', 'batch', 'Processing',
    '{"parts": "[[0, 16000, null], [16000, 8000, 1]]", "sent": "2", "uploaded": "yes", "submitting": "yes", "job": "https://service/transcriptions/1", "files": "https://service/transcriptions/1/files", "since": "1700000000.5", "ask_after": "1700000060.25", "step": "waiting", "warned": "yes"}'),
(18, 'addresses', 'batch', 'Processing', '{"addresses": "[\"https://h/a.wav?sig=s\"]"}'),
(20, 'addresses_submitting', 'batch', 'Processing',
    '{"addresses": "[\"https://h/a.wav?sig=s\"]", "submitting": "yes"}'),
(22, 'addresses_sent', 'batch', 'Processing',
    '{"addresses": "", "submitting": "yes", "job": "https://service/transcriptions/1", "files": "https://service/transcriptions/1/files", "since": "5.0"}'),
(24, 'resumed', 'batch', 'Processing',
    '{"parts": "[[0, 16000, null], [16000, 8000, 1]]", "sent": "", "uploaded": "", "submitting": "", "job": "", "files": "", "since": "", "again": "1", "step": "sent"}'),
(26, 'realtime', 'realtime', 'Processing',
    '{"trouble": "The connection broke.", "step": "to be tried again"}'),
(28, 'completed', 'batch', 'Completed',
    '{"parts": "[[0, 16000, null], [16000, 8000, 1]]", "sent": "2", "uploaded": "yes", "submitting": "yes", "job": "https://service/transcriptions/1", "files": "https://service/transcriptions/1/files", "since": "1700000000.5", "step": "being transcribed"}'),
(30, 'completed_long', 'local', 'Completed', '{}'),
(32, 'completed_fast', 'fast', 'Completed', '{}'),
(34, 'failed_local', 'local', 'Failed', '{}'),
(36, 'failed_fast', 'fast', 'Failed', '{"refused": "413 Code"}'),
(38, 'failed_realtime', 'realtime', 'Failed', '{"trouble": "It broke.", "step": "again"}'),
(40, 'failed_batch', 'batch', 'Failed',
    '{"parts": "[[0, 16000, null], [16000, 8000, 1]]", "sent": "2", "uploaded": "yes", "submitting": "yes", "job": "https://service/transcriptions/1", "files": "https://service/transcriptions/1/files", "since": "", "step": "running"}'),
(42, 'failed_auto', 'auto', 'Failed', '{}'),
-- assigned by auto to fast, refused there, then assigned to batch
(44, 'reassigned', 'batch', 'Processing',
    '{"refused": "413 Code", "parts": "[[0, 16000, null], [16000, 8000, 1]]"}'),
(46, 'deleted', 'batch', 'Deleted',
    '{"parts": "[[0, 16000, null], [16000, 8000, 1]]", "sent": "2", "uploaded": "yes", "submitting": "yes", "job": "https://service/transcriptions/1", "files": "https://service/transcriptions/1/files", "since": "1700000000.5", "addresses": "[\"https://h/chrysanthemum\"]"}'),
(48, 'deleted_running', 'batch', 'Deleted',
    '{"parts": "[[0, 16000, null], [16000, 8000, 1]]", "sent": "2", "uploaded": "yes", "submitting": "yes", "job": "https://service/transcriptions/1", "files": "https://service/transcriptions/1/files", "since": "1700000000.5", "undeleted": "https://service/transcriptions/1", "ask_after": "1700000099.5", "step": "running"}'),
(50, 'deleted_running_now', 'batch', 'Deleted',
    '{"addresses": "[\"a\"]", "undeleted": "https://service/transcriptions/1"}'),
(52, 'deleted_since', 'batch', 'Deleted',
    '{"parts": "[[0, 16000, null], [16000, 8000, 1]]", "sent": "2", "uploaded": "yes", "submitting": "yes", "job": "https://service/transcriptions/1", "files": "https://service/transcriptions/1/files", "since": "1700000000.5", "undeleted": "", "ask_after": "9.0"}');

INSERT INTO recordings
SELECT
    number,
    substr(lower(hex(name)) || '00000000000000000000000000000000', 1, 32),
    name,
    backend,
    state,
    iif(state = 'Failed', 'It broke.', ''),
    '["Cut."]',
    '2025-01-02T03:04:05+00:00',
    '2025-02-03T04:05:06.5+00:00',
    '{"meeting_id": "standup", "audio": {"sample_rate": 16000, "channels": 2}, "mode": "stored", "language": "de-DE", "differentiate_speakers": true, "max_speakers": 3, "attendees": [], "phrases": ["Ödipus"], "word_timestamps": true, "notes": ["n"], "addresses": [], "languages": [["de-DE", ""]], "settings": {"profanity": "raw"}}',
    iif(state = 'Uploading', NULL, 96000),
    2,
    0.5,
    details
FROM given;
DROP TABLE given;
