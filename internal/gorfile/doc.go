// Package gorfile reads and writes .gor files, the recordings of GoReplay: HTTP
// messages as they were sent, each with its time and the ID of its exchange. It is
// for whoever records to or replays from a file. It does not know whether a message
// is complete: who sends one to somebody has to look.
//
// # Format
//
// A record is a header line, the message, and a separator:
//
//	1 c2161f907f0000013622f487 1795304892437112250 0\n
//	POST /length HTTP/1.1\r\n...
//	\n🐵🙈🙉\n
//
// The header has the type (record.Kind), the ID, the time of the first byte in Unix
// nanoseconds and how long it took: for types 1 and 2 from the message's first byte to its
// last one, for type 3 from the request's first byte to the response's last one. Old
// files lack the fourth field. Type 4 is ours; GoReplay passes over it.
//
// # A separator inside of a message
//
// Nothing is escaped, so a message may contain what looks like a separator. GoReplay
// splits there, and panics where no header follows. Here it depends on what is around:
//
//   - Inside of a body whose Content-Length reaches to another separator exactly, it
//     belongs to the body; whole records may be in there (an uploaded .gor file).
//   - Else it ends the record where a header or the end of the file follows.
//   - Else it ends the record if the message looks complete, because then what
//     follows is damage; and belongs to the message if it does not.
//
// What is left: a chunked body, or one that the connection's end delimits, with a
// separator and a header in it is split.
package gorfile
