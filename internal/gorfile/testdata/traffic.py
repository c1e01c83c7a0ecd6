# Sends requests to port 8080; with an argument, none whose body looks like a .gor file.
import socket,sys,time
SEP='\n🐵🙈🙉\n'.encode()
def conn(*reqs):
    s=socket.create_connection(('127.0.0.1',8080)); s.settimeout(0.3)
    for r in reqs:
        s.sendall(r); 
        try: s.recv(65536); time.sleep(.02)
        except TimeoutError: pass
    s.close()
h=b'Host: origin.test\r\n'
conn(b'GET /one?a=1 HTTP/1.1\r\n'+h+b'X-lower: MiXed\r\nx-lower: twice\r\n\r\n', b'GET /two HTTP/1.1\r\n'+h+b'\r\n', b'HEAD /three HTTP/1.1\r\n'+h+b'\r\n')
conn(b'POST /length HTTP/1.1\r\n'+h+b'Content-Length: 9\r\n\r\nnine\nbyte', b'POST /chunked HTTP/1.1\r\n'+h+b'Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n')
if len(sys.argv)>1: sys.exit()
b=b'before'+SEP+b'after, not a header\n'
conn(b'POST /lookalike HTTP/1.1\r\n'+h+b'Content-Length: %d\r\n\r\n'%len(b)+b)
b=b'1 0123456789abcdef01234567 1700000000000000000 0\nGET /inside HTTP/1.1\r\n\r\n'+SEP+b'1 0123456789abcdef01234568 1700000000000000001 0\nGET /inside2 HTTP/1.1\r\n\r\n'+SEP
conn(b'PUT /nested HTTP/1.1\r\n'+h+b'Content-Length: %d\r\n\r\n'%len(b)+b)
conn(b'POST /bytes HTTP/1.1\r\n'+h+b'Content-Length: 256\r\n\r\n'+bytes(range(256)))
