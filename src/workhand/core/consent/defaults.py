"""The rules that hold unless a person states others.

Everything runs in a machine that is thrown away, so little needs a question: what reaches out of it, what cannot be
undone in the person's own files, and what spends money or speaks to others in their name.
"""

from __future__ import annotations

from workhand.core.consent.rules import Rule

ROOTS = ("/", "/[*]", "/home", "/home/[*]", "/home/agent", "/home/agent/[*]", "/home/agent/.[*]", "*/.git")
UNKNOWN = ("$*", "`*")  # a path that begins with a variable or a substitution
RECURSIVELY = "rm -r|-R|--recursive"
DROPPING = r"(?i)\b(drop\s+(table|database|schema)|truncate\s+table)\b"
WRITING = ("POST", "PUT", "PATCH", "DELETE")
PAYING = r"(?i)/(checkout|payments?|purchase|orders?|transfers?|charges?|withdraw|invoices?/[^/]+/pay)(/|\?|$)"
MAILING = r"(?i)/(send[_-]?(mail|email|message)|messages/send|mail/send)(/|\?|$)"

DEFAULTS: tuple[Rule, ...] = (
    Rule(
        "metadata-service", "deny", hosts=("169.254.*", "metadata.*", "fd00:ec2::254"), why="It holds a cloud's keys."
    ),
    Rule(
        "pay",
        "ask",
        tools=("network",),
        methods=WRITING,
        arguments=(("path", PAYING),),
        irreversible=True,
        why="This may spend money.",
    ),
    Rule(
        "pay",
        "ask",
        tools=("browser_act",),
        arguments=(("intent", "^pay$"),),
        irreversible=True,
        why="This may spend money.",
    ),
    Rule(
        "post",
        "ask",
        tools=("browser_act",),
        arguments=(("intent", "^(post|submit)$"),),
        unnamed=True,
        why="This sends data to a host that you have not named.",
    ),
    Rule(
        "send-mail",
        "ask",
        tools=("network",),
        methods=WRITING,
        arguments=(("path", MAILING),),
        irreversible=True,
        why="This sends a message to somebody.",
    ),
    Rule(
        "mail-command",
        "ask",
        commands=("mail|mailx|sendmail|msmtp|mutt|swaks",),
        irreversible=True,
        why="This sends a message to somebody.",
    ),
    Rule(
        "post",
        "ask",
        tools=("network",),
        methods=WRITING,
        unnamed=True,
        why="This sends data to a host that you have not named.",
    ),
    Rule("first-contact", "ask", tools=("network",), unnamed=True, why="This is a host that you have not named."),
    Rule(
        "remove-everything",
        "ask",
        commands=(RECURSIVELY, "mv"),
        paths=ROOTS,
        irreversible=True,
        why="This removes the whole workspace, or its history.",
    ),
    Rule(
        "remove-unknown",
        "ask",
        commands=(RECURSIVELY,),
        paths=UNKNOWN,
        why="What this removes is only known when it runs.",
    ),
    Rule("shred", "ask", commands=("shred",), irreversible=True, why="This removes files beyond recovery."),
    Rule(
        "erase-device",
        "ask",
        commands=("mkfs*", "dd of=/dev/sd*|of=/dev/vd*|of=/dev/nvme*|of=/dev/mmc*", "wipefs", "fdisk|parted|sgdisk"),
        irreversible=True,
        why="This erases a device.",
    ),
    Rule("write-device", "ask", paths=("/dev/*",), outside=True, irreversible=True, why="This writes to a device."),
    Rule(
        "rewrite-history",
        "ask",
        commands=(
            "git push --force*|-f|--delete|-d|--mirror !--dry-run",
            "git push +*|:* !--dry-run",
            "git filter-branch|filter-repo",
        ),
        irreversible=True,
        why="This rewrites what others may have.",
    ),
    Rule(
        "push", "ask", commands=("git push !--dry-run", "docker push", "podman push"), why="This publishes to a server."
    ),
    Rule(
        "publish",
        "ask",
        commands=(
            "npm|pnpm|yarn|cargo|poetry|uv|flit|hatch publish !--dry-run",
            "yarn npm publish",
            "twine upload",
            "python* -m twine upload",
            "gem push",
            "gh release create|upload|delete",
        ),
        irreversible=True,
        why="This publishes a package, which cannot be taken back.",
    ),
    Rule(
        "discard-work",
        "ask",
        commands=("git reset --hard", "git clean -f|--force", "git checkout -f|--force", "git stash drop|clear"),
        why="This throws uncommitted work away.",
    ),
    Rule(
        "deploy",
        "ask",
        commands=(
            "terraform|tofu apply|destroy|import|taint",
            "pulumi up|destroy",
            "kubectl apply|create|delete|replace|patch|scale|drain !--dry-run*",
            "helm install|upgrade|uninstall|delete|rollback !--dry-run",
            "aws * create*|delete*|put*|update*|run*|start*|stop*|terminate*|rm|rb|mb|cp|mv|sync",
            "gcloud|az * create|delete|update|deploy|start|stop",
            "ansible-playbook !--check !-C",
        ),
        why="This changes systems outside of the machine.",
    ),
    Rule(
        "remote",
        "ask",
        commands=("ssh !-V", "scp *:*", "sftp", "rsync *:*", "ftp"),
        why="This works on another computer.",
    ),
    Rule(
        "drop-data",
        "ask",
        tools=("shell_*",),
        commands=("psql|mysql|mariadb|sqlite3|sqlcmd|clickhouse-client",),
        arguments=(("command", DROPPING),),
        irreversible=True,
        why="This deletes data in a database.",
    ),
    Rule("schedule", "ask", commands=("crontab !-l", "at *", "systemctl enable"), why="This stays behind."),
    Rule(
        "stop-machine",
        "ask",
        commands=("killall5", "kill -9|-KILL|-TERM|-15 -1", "shutdown|reboot|halt|poweroff"),
        why="This stops the machine.",
    ),
    Rule("run-what-comes", "ask", opaque=True, why="What this runs cannot be read from it."),
    Rule("write-outside", "ask", outside=True, why="This writes outside of the workspace."),
)
