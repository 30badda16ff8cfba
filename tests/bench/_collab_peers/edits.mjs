// What so many authors write into one text, as Yjs makes the updates: `edits.mjs FILE '{"edits", "authors", "chars"}'`.
// Each types where their cursor is, in turns of seven edits; now and then they go elsewhere, or delete what stands before.
// The file holds each update behind its length (u32, little endian).
import { createWriteStream } from 'node:fs'
import { once } from 'node:events'
import * as Y from 'yjs'

const [file, options] = process.argv.slice(2)
const { edits: EDITS, authors: AUTHORS, chars: CHARS } = JSON.parse(options)
const TURN = 7; const ELSEWHERE = 0.02; const DELETE = 0.08
const WORDS = 'the quick brown fox jumps over the lazy dog and runs away '.repeat(Math.ceil(CHARS / 58) + 1)

let seed = 7
const random = () => (seed = (seed * 1103515245 + 12345) % 2 ** 31) / 2 ** 31
const doc = new Y.Doc()
const text = doc.getText('text')
const cursors = new Array(AUTHORS).fill(0)
const out = createWriteStream(file)
let waiting = []
doc.on('update', update => {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(update.length)
  waiting.push(length, update)
})

let author = 0
for (let number = 0; number < EDITS; number++) {
  if (number % TURN === 0) author = Math.floor(random() * AUTHORS)
  if (random() < ELSEWHERE) cursors[author] = Math.floor(random() * (text.length + 1))
  doc.clientID = 1000 + author
  const at = Math.min(cursors[author], text.length)
  if (at > 0 && random() < DELETE) {
    text.delete(at - 1, 1)
    cursors[author] = at - 1
  } else {
    const from = number % 58
    text.insert(at, WORDS.slice(from, from + CHARS))
    cursors[author] = at + CHARS
  }
  if (waiting.length > 4000) {
    if (!out.write(Buffer.concat(waiting))) await once(out, 'drain')
    waiting = []
  }
}
out.end(Buffer.concat(waiting))
await once(out, 'finish')
console.log(JSON.stringify({ chars: text.length, encoded: Y.encodeStateAsUpdate(doc).length }))
