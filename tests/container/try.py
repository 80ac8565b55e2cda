import sys,time; sys.path[:0]=['/work/wt/lab/tests/lab','/work/wt/lab/tests/container']
import sandbox
def main():
    import booted, lab
    t=time.time()
    b=booted.BootedLab()
    print("boot", time.time()-t, b.host.run("systemctl","is-system-running",check=False).stdout, b.host.run("systemctl","--failed","--no-pager",check=False).stdout)
    print(b.echo(lab.PUBLIC4), b.host.run("resolvectl","status").stdout)
    t=time.time()
    print(b.host.run("dpkg","-i","/root/vpnd.deb",check=False))
    print("inst", time.time()-t, b.host.run("systemctl","status","vpnd","--no-pager",check=False).stdout)
    print(b.host.run("journalctl","-u","vpnd","--no-pager",check=False).stdout); print(b.host.run("systemd-analyze","security","--no-pager","vpnd",check=False).stdout[-80:])
    b.close()
sandbox.run_session(main)
