"""Co-editing of Yjs documents over WebSocket: frames, rooms, the journal, and edits from Python."""
