# A child of the migration tests: ActiveRecord runs one migration for each line that it is told, and answers each.
require "active_record"

folder, host, database = ARGV
ActiveRecord::Base.establish_connection(adapter: "postgresql", host: host, database: database, username: "postgres")
ActiveRecord::Migration.verbose = false
context = ActiveRecord::MigrationContext.new(folder, ActiveRecord::SchemaMigration)

$stdin.each_line do |line|
  context.run(:up, line.strip.to_i)
  puts "done"
  $stdout.flush
end
