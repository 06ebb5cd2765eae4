from django.db import migrations

# Those that everybody uses at every moment
TABLES = ("portal_accountmail", "incidents_incident", "incidents_component", "status_delivery")


class Migration(migrations.Migration):
    dependencies = (("portal", "0001_initial"),)
    operations = tuple(
        migrations.RunSQL(
            f"ALTER TABLE {table} ADD COLUMN next integer NOT NULL DEFAULT 0", f"ALTER TABLE {table} DROP COLUMN next"
        )
        for table in TABLES
    )
