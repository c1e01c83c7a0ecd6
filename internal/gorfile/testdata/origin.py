# The server of the recordings: echoes the path, answers uploads in chunks.
import http.server,sys,time
class H(http.server.BaseHTTPRequestHandler):
    protocol_version='HTTP/1.1'
    def log_message(self,*a): pass
    def do_GET(self):
        b=(b'hello '+self.path.encode())*3
        self.send_response(200); self.send_header('Content-Length',str(len(b))); self.end_headers(); 
        if self.command!='HEAD': self.wfile.write(b)
    do_HEAD=do_GET
    def do_POST(self):
        te=self.headers.get('Transfer-Encoding')
        if te:
            while True:
                n=int(self.rfile.readline(),16); self.rfile.read(n); self.rfile.readline()
                if n==0: break
        else: self.rfile.read(int(self.headers.get('Content-Length',0)))
        time.sleep(0.005)
        self.send_response(201); self.send_header('Transfer-Encoding','chunked'); self.end_headers()
        self.wfile.write(b'5\r\nabcde\r\n0\r\n\r\n')
H.do_PUT=H.do_POST
http.server.ThreadingHTTPServer(('127.0.0.1',int(sys.argv[1])),H).serve_forever()
