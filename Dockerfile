FROM python:3.13-slim AS packages
COPY requirements/run.txt .
RUN python -m venv /packages \
    && /packages/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --requirement run.txt

FROM python:3.13-slim
ENV PATH=/packages/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
RUN useradd --uid 10001 --user-group --no-create-home portal \
    && install --directory --owner portal --group portal /srv/public /srv/data
COPY --from=packages /packages /packages
COPY manage.py /app/
COPY incidents /app/incidents
COPY portal /app/portal
COPY status /app/status
COPY templates /app/templates
WORKDIR /app
USER portal
ENV DATA_DIR=/srv/data PUBLICATION_ROOT=/srv/public
EXPOSE 8000
CMD ["gunicorn", "--config=python:portal.web_server", "--bind=0.0.0.0:8000", "--workers=2", \
     "--worker-tmp-dir=/dev/shm", "--access-logfile=-", "portal.wsgi"]
