"""Subscribers and deliveries of version 1.0. It stays as it is, as the one of `incidents` says."""

import django.db.models.deletion
import incidents.models.base
import simple_history.models
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('incidents', '0001_initial'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='HistoricalRecipient',
            fields=[
                ('id', models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name='ID')),
                ('mark', models.CharField(blank=True, editable=False, max_length=32)),
                ('public_id', models.CharField(db_index=True, default=incidents.models.base.new_public_id, editable=False, max_length=12, verbose_name='public id')),
                ('created_at', models.DateTimeField(blank=True, editable=False)),
                ('updated_at', models.DateTimeField(blank=True, editable=False)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='deleted at')),
                ('history_change_reason', models.TextField(null=True)),
                ('channel', models.CharField(choices=[('email', 'E-mail'), ('webhook', 'Webhook'), ('staff', 'Staff mailbox'), ('chat', 'Staff chat')], default='email', max_length=10, verbose_name='channel')),
                ('state', models.CharField(choices=[('unconfirmed', 'Unconfirmed'), ('active', 'Active'), ('quarantined', 'Quarantined'), ('unsubscribed', 'Unsubscribed')], default='unconfirmed', max_length=12, verbose_name='state')),
                ('reason', models.CharField(blank=True, help_text='Why it is quarantined.', max_length=500, verbose_name='reason')),
                ('left_by', models.CharField(blank=True, choices=[('owner', 'Its owner'), ('staff', 'Staff'), ('program', 'A program')], editable=False, max_length=8, verbose_name='unsubscribed by')),
                ('rolled_at', models.DateTimeField(editable=False, null=True, verbose_name='secret rolled')),
                ('everything', models.BooleanField(default=True, verbose_name='everything on the page')),
                ('postmortems_only', models.BooleanField(default=False, verbose_name='postmortems only')),
                ('minimum_impact', models.CharField(choices=[('none', 'None'), ('minor', 'Minor'), ('major', 'Major'), ('critical', 'Critical')], default='none', max_length=10, verbose_name='minimum impact')),
                ('confirmation_sent_at', models.DateTimeField(editable=False, null=True)),
                ('confirmed_at', models.DateTimeField(editable=False, null=True, verbose_name='confirmed')),
                ('failing_since', models.DateTimeField(editable=False, null=True, verbose_name='failing since')),
                ('left_behind_at', models.DateTimeField(editable=False, help_text='When it was notified that what it follows is gone.', null=True, verbose_name='left behind')),
                ('mails', models.PositiveIntegerField(default=0, editable=False, help_text='How many were owed that are about no event.', verbose_name='mails')),
                ('history_id', models.AutoField(primary_key=True, serialize=False)),
                ('history_date', models.DateTimeField(db_index=True)),
                ('history_type', models.CharField(choices=[('+', 'Created'), ('~', 'Changed'), ('-', 'Deleted')], max_length=1)),
                ('history_user', models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('page', models.ForeignKey(blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='incidents.page', verbose_name='page')),
                ('user', models.ForeignKey(blank=True, db_constraint=False, editable=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='member of staff')),
            ],
            options={
                'verbose_name': 'historical recipient',
                'verbose_name_plural': 'historical recipients',
                'ordering': ('-history_date', '-history_id'),
                'get_latest_by': ('history_date', 'history_id'),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
        migrations.CreateModel(
            name='Nudge',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('key', models.CharField(max_length=30, verbose_name='duty')),
                ('subject', models.CharField(help_text='The public id of what it is about.', max_length=12)),
                ('title', models.CharField(max_length=500, verbose_name='about')),
                ('path', models.CharField(help_text='Where staff deal with it.', max_length=200)),
                ('due_at', models.DateTimeField(verbose_name='due at')),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
                ('note', models.CharField(blank=True, help_text='Why nobody was notified.', max_length=200, verbose_name='note')),
                ('owed', models.PositiveSmallIntegerField(default=0, help_text='To how many recipients.')),
                ('page', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='incidents.page', verbose_name='page')),
            ],
            options={
                'verbose_name': 'nudge',
                'verbose_name_plural': 'nudges',
                'ordering': ('-id',),
            },
        ),
        migrations.CreateModel(
            name='Recipient',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('public_id', models.CharField(default=incidents.models.base.new_public_id, editable=False, max_length=12, unique=True, verbose_name='public id')),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('updated_at', models.DateTimeField(auto_now=True)),
                ('deleted_at', models.DateTimeField(blank=True, editable=False, null=True, verbose_name='deleted at')),
                ('channel', models.CharField(choices=[('email', 'E-mail'), ('webhook', 'Webhook'), ('staff', 'Staff mailbox'), ('chat', 'Staff chat')], default='email', max_length=10, verbose_name='channel')),
                ('address', models.CharField(help_text='An e-mail address, or what stands for a URL (`addresses.shown`).', max_length=500, verbose_name='address')),
                ('endpoint', models.CharField(blank=True, editable=False, help_text='Encrypted: where a webhook or a chat is reached.', max_length=2000)),
                ('contact', models.CharField(blank=True, help_text="A webhook's owner, notified by e-mail when it fails.", max_length=254, verbose_name='contact')),
                ('state', models.CharField(choices=[('unconfirmed', 'Unconfirmed'), ('active', 'Active'), ('quarantined', 'Quarantined'), ('unsubscribed', 'Unsubscribed')], default='unconfirmed', max_length=12, verbose_name='state')),
                ('reason', models.CharField(blank=True, help_text='Why it is quarantined.', max_length=500, verbose_name='reason')),
                ('left_by', models.CharField(blank=True, choices=[('owner', 'Its owner'), ('staff', 'Staff'), ('program', 'A program')], editable=False, max_length=8, verbose_name='unsubscribed by')),
                ('secret', models.CharField(blank=True, editable=False, help_text="Encrypted: what signs a webhook's requests.", max_length=500)),
                ('old_secret', models.CharField(blank=True, editable=False, help_text='Encrypted: what signs beside it for a day.', max_length=500)),
                ('rolled_at', models.DateTimeField(editable=False, null=True, verbose_name='secret rolled')),
                ('everything', models.BooleanField(default=True, verbose_name='everything on the page')),
                ('postmortems_only', models.BooleanField(default=False, verbose_name='postmortems only')),
                ('minimum_impact', models.CharField(choices=[('none', 'None'), ('minor', 'Minor'), ('major', 'Major'), ('critical', 'Critical')], default='none', max_length=10, verbose_name='minimum impact')),
                ('confirmation_sent_at', models.DateTimeField(editable=False, null=True)),
                ('confirmed_at', models.DateTimeField(editable=False, null=True, verbose_name='confirmed')),
                ('failing_since', models.DateTimeField(editable=False, null=True, verbose_name='failing since')),
                ('left_behind_at', models.DateTimeField(editable=False, help_text='When it was notified that what it follows is gone.', null=True, verbose_name='left behind')),
                ('mails', models.PositiveIntegerField(default=0, editable=False, help_text='How many were owed that are about no event.', verbose_name='mails')),
                ('page', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to='incidents.page', verbose_name='page')),
                ('user', models.ForeignKey(editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL, verbose_name='member of staff')),
            ],
            options={
                'verbose_name': 'recipient',
                'verbose_name_plural': 'recipients',
            },
        ),
        migrations.CreateModel(
            name='Follow',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('component', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='incidents.component')),
                ('incident', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='incidents.incident')),
                ('recipient', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='follows', to='status.recipient')),
            ],
        ),
        migrations.CreateModel(
            name='Delivery',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('purpose', models.CharField(choices=[('event', 'Public fact'), ('confirmation', 'Confirmation'), ('warning', "Warning to a webhook's owner"), ('left_behind', 'What was chosen is gone'), ('nudge', 'Nudge of staff')], default='event', max_length=12, verbose_name='purpose')),
                ('priority', models.SmallIntegerField(choices=[(0, 'Staff'), (1, 'Incident'), (2, 'Personal'), (3, 'Everything else')], default=1)),
                ('state', models.CharField(choices=[('due', 'Due'), ('sent', 'Sent'), ('failed', 'Failed'), ('cancelled', 'Cancelled')], default='due', max_length=10, verbose_name='state')),
                ('reason', models.CharField(blank=True, help_text='Why it was cancelled or failed.', max_length=20, verbose_name='reason')),
                ('answer', models.CharField(blank=True, help_text="The other side's last words.", max_length=500, verbose_name='answer')),
                ('attempts', models.PositiveSmallIntegerField(default=0, verbose_name='attempts')),
                ('accepted', models.JSONField(db_default=[], default=list, editable=False, help_text='Of several messages, the ids of those that were taken.')),
                ('due_at', models.DateTimeField(verbose_name='due at')),
                ('claimed_at', models.DateTimeField(help_text='A worker has it until `due_at`; empty while nobody has.', null=True)),
                ('created_at', models.DateTimeField(auto_now_add=True, verbose_name='created')),
                ('finished_at', models.DateTimeField(null=True, verbose_name='finished')),
                ('event', models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='incidents.outboxevent', verbose_name='event')),
                ('nudge', models.ForeignKey(db_index=False, editable=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='status.nudge')),
                ('recipient', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='deliveries', to='status.recipient', verbose_name='recipient')),
            ],
            options={
                'verbose_name': 'delivery',
                'verbose_name_plural': 'deliveries',
            },
        ),
        migrations.CreateModel(
            name='StaffChannel',
            fields=[
            ],
            options={
                'verbose_name': 'staff channel',
                'verbose_name_plural': 'staff channels',
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('status.recipient',),
        ),
        migrations.CreateModel(
            name='Subscriber',
            fields=[
            ],
            options={
                'verbose_name': 'subscriber',
                'verbose_name_plural': 'subscribers',
                'proxy': True,
                'indexes': [],
                'constraints': [],
            },
            bases=('status.recipient',),
        ),
        migrations.CreateModel(
            name='SignUp',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('channel', models.CharField(choices=[('email', 'E-mail'), ('webhook', 'Webhook'), ('staff', 'Staff mailbox'), ('chat', 'Staff chat')], max_length=10)),
                ('address', models.CharField(max_length=500)),
                ('endpoint', models.CharField(blank=True, help_text='Encrypted: where a webhook is reached.', max_length=2000)),
                ('contact', models.CharField(blank=True, max_length=254)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('incident', models.ForeignKey(null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='incidents.incident')),
                ('page', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='incidents.page')),
            ],
        ),
        migrations.CreateModel(
            name='Publisher',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('root', models.CharField(blank=True, help_text="The folder's own code.", max_length=12)),
                ('versions', models.JSONField(default=list, help_text='The newest last.')),
            ],
            options={
                'constraints': [models.CheckConstraint(condition=models.Q(('pk', 1)), name='publisher_is_one_row')],
            },
        ),
        migrations.CreateModel(
            name='SignUpCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('network', models.CharField(max_length=43)),
                ('hour', models.DateTimeField()),
                ('count', models.PositiveIntegerField(default=0)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('network', 'hour'), name='sign_ups_of_network_and_hour')],
            },
        ),
        migrations.CreateModel(
            name='AskedMailbox',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('digest', models.CharField(max_length=64, unique=True)),
                ('asked_at', models.DateTimeField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name='Tally',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('people', models.PositiveIntegerField()),
                ('took', models.DurationField(help_text='From the update to the last mail that was sent.')),
                ('is_final', models.BooleanField(help_text='Nothing is due any more.')),
                ('event', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='tally', to='incidents.outboxevent')),
            ],
        ),
        migrations.AddConstraint(
            model_name='nudge',
            constraint=models.UniqueConstraint(fields=('subject', 'key', 'due_at'), name='nudge_once'),
        ),
        migrations.AddIndex(
            model_name='recipient',
            index=models.Index(fields=['page', 'state'], name='recipient_active'),
        ),
        migrations.AddConstraint(
            model_name='recipient',
            constraint=models.UniqueConstraint(fields=('page', 'channel', 'address'), name='recipient_once_per_page'),
        ),
        migrations.AddConstraint(
            model_name='recipient',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['unconfirmed', 'active', 'quarantined', 'unsubscribed'])), name='recipient_state'),
        ),
        migrations.AddConstraint(
            model_name='recipient',
            constraint=models.UniqueConstraint(condition=models.Q(('user__isnull', False)), fields=('page', 'user'), name='recipient_of_staff_once'),
        ),
        migrations.AddConstraint(
            model_name='recipient',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('channel__in', ['email', 'webhook']), ('user', None)), models.Q(('channel__in', ['staff', 'chat']), ('everything', False)), _connector='OR'), name='recipient_of_staff_hears_nothing_public'),
        ),
        migrations.AddConstraint(
            model_name='follow',
            constraint=models.UniqueConstraint(fields=('recipient', 'component'), name='follow_component_once'),
        ),
        migrations.AddConstraint(
            model_name='follow',
            constraint=models.UniqueConstraint(fields=('recipient', 'incident'), name='follow_incident_once'),
        ),
        migrations.AddConstraint(
            model_name='follow',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('component', None), ('incident__isnull', False)), models.Q(('component__isnull', False), ('incident', None)), _connector='OR'), name='follow_one_thing'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('state', 'due')), fields=['priority', 'due_at'], name='delivery_due'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(fields=['recipient', '-id'], name='delivery_of_recipient'),
        ),
        migrations.AddIndex(
            model_name='delivery',
            index=models.Index(condition=models.Q(('finished_at__isnull', False)), fields=['finished_at', 'id'], name='delivery_finished'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(fields=('event', 'recipient'), name='delivery_once'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.UniqueConstraint(condition=models.Q(('nudge__isnull', False)), fields=('nudge', 'recipient'), name='delivery_of_nudge_once'),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('finished_at', None), ('state', 'due')), models.Q(models.Q(('state', 'due'), _negated=True), models.Q(('finished_at', None), _negated=True)), _connector='OR'), name='delivery_finished_when_not_due'),
        ),
    ]
