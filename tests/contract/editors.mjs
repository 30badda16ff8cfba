// Editors as their own documentation joins them to Yjs, for a page of a real browser: `open.tiptap` by Hocuspocus'
// provider, `open.codemirror` by y-websocket. Each resolves when the document is in sync.
import Collaboration from '@tiptap/extension-collaboration'
import CollaborationCaret from '@tiptap/extension-collaboration-caret'
import StarterKit from '@tiptap/starter-kit'
import { Editor } from '@tiptap/core'
import { EditorState } from '@codemirror/state'
import { keymap } from '@codemirror/view'
import { basicSetup, EditorView } from 'codemirror'
import { HocuspocusProvider } from 'hocuspocus-provider-4'
import { yCollab, yUndoManagerKeymap } from 'y-codemirror.next'
import { WebsocketProvider } from 'y-websocket-3'
import * as Y from 'yjs'

const user = { name: 'Mallory', color: '#ff0000' }
const place = () => document.body.appendChild(document.createElement('main'))

const tiptap = ({ url, name, token }) => new Promise(resolve => {
  const doc = new Y.Doc()
  const provider = new HocuspocusProvider({ url, name, token, document: doc, onSynced: resolve })
  const editor = new Editor({
    element: place(),
    extensions: [
      StarterKit.configure({ undoRedo: false }),
      Collaboration.configure({ document: doc }),
      CollaborationCaret.configure({ provider, user })
    ]
  })
  open.saved = () => !provider.hasUnsyncedChanges
  open.bold = () => editor.chain().focus().selectAll().toggleBold().run()
})

const codemirror = ({ url, room, params }) => new Promise(resolve => {
  const doc = new Y.Doc()
  const provider = new WebsocketProvider(url, room, doc, { params })
  provider.awareness.setLocalStateField('user', user)
  const text = doc.getText('codemirror')
  const undoManager = new Y.UndoManager(text)
  const state = EditorState.create({
    doc: text.toString(),
    extensions: [keymap.of(yUndoManagerKeymap), basicSetup, yCollab(text, provider.awareness, { undoManager })]
  })
  open.view = new EditorView({ state, parent: place() })
  provider.once('sync', resolve)
})

const open = window.open = { tiptap, codemirror }
