"""``python -m fer_deploy`` is the ``fer-deploy`` command."""

from fer_deploy.cli import main

if __name__ == "__main__":
    main(prog_name="fer-deploy")
