from django.db import migrations


class Migration(migrations.Migration):
    dependencies = (("portal", "0001_initial"),)
    operations = (
        migrations.RunSQL(
            "ALTER TABLE portal_accountmail ADD COLUMN next integer", "ALTER TABLE portal_accountmail DROP COLUMN next"
        ),
    )
